use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use buttress_backoff::Backoff;

/// A dropped call that is older than this is a failure, where no slow-call limit says otherwise.
pub(crate) const ABANDONED: Duration = Duration::from_secs(10);

/// What a circuit obeys; every value has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// So many failures with no success between open the circuit.
    pub(crate) consecutive: Option<NonZeroU32>,
    /// This share of failures in a window opens it.
    pub(crate) failure_ratio: Option<f64>,
    pub(crate) slow: Option<Slow>,
    /// A window with fewer calls is not judged.
    pub(crate) minimum: NonZeroU32,
    /// A tenth of the time window, in nanoseconds.
    pub(crate) tick: Option<NonZeroU64>,
    pub(crate) count_window: Option<NonZeroUsize>,
    pub(crate) count_throttled: bool,
    pub(crate) open: Backoff,
    /// The most that a peer's own wish can keep the circuit open.
    pub(crate) max_open: Duration,
    pub(crate) probes: NonZeroU32,
    pub(crate) probe_timeout: Duration,
    pub(crate) shadow: bool,
}

/// When calls are slow, and how many may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slow {
    pub(crate) limit: Duration,
    pub(crate) ratio: f64,
}

impl Settings {
    /// The age from which a dropped call is a failure.
    pub(crate) fn abandoned_after(&self) -> Duration {
        self.slow.map_or(ABANDONED, |slow| slow.limit)
    }
}
