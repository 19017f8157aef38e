use std::time::Duration;

use crate::State;
use crate::moment::Moment;
use crate::state::Machine;
use crate::window::Counts;

/// What a circuit knows at one moment.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The name given at build; empty by default.
    pub name: String,
    /// What it does with calls.
    pub state: State,
    /// Whether refusals are counted only, and no call is refused.
    pub shadow: bool,
    /// The serial number of the state: each change and each reset adds one.
    pub generation: u64,
    /// Failures with no success between, up to now.
    pub consecutive_failures: u32,
    /// What the time window holds, where there is one.
    pub time_window: Option<Counts>,
    /// What the count window holds, where there is one.
    pub count_window: Option<Counts>,
    /// How long it stays open, where it opened by itself; zero once the next call may be a probe.
    pub retry_after: Option<Duration>,
    /// Calls refused since it was made (in shadow mode, that would have been).
    pub refused: u64,
    /// Answers ignored since it was made: the state that let their calls through had ended.
    pub late: u64,
}

impl Snapshot {
    pub(crate) fn of(
        name: &str,
        shadow: bool,
        machine: &Machine,
        refused: u64,
        now: Moment,
    ) -> Self {
        let [time_window, count_window] = machine.windows(now);
        Self {
            name: name.to_owned(),
            state: machine.state(),
            shadow,
            generation: machine.generation(),
            consecutive_failures: machine.consecutive(),
            time_window,
            count_window,
            retry_after: machine
                .open_until()
                .filter(|until| *until != Moment::NEVER)
                .map(|until| until.since(now)),
            refused,
            late: machine.late(),
        }
    }
}
