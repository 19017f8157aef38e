use std::fmt;
use std::time::Duration;

/// What a circuit does with calls.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum State {
    /// Lets calls through and judges their outcomes.
    Closed,
    /// Lets calls through and learns nothing, by [`disable`](crate::CircuitHandle::disable).
    Disabled,
    /// Lets calls through whatever their outcomes, by
    /// [`force_closed`](crate::CircuitHandle::force_closed).
    ForcedClosed,
    /// Refuses calls whatever the time, by [`force_open`](crate::CircuitHandle::force_open).
    ForcedOpen,
    /// Lets a few probes through; they decide.
    HalfOpen,
    /// Refuses calls until its time is over. It stays in this state until a call comes after that.
    Open,
}

impl State {
    /// Its name in telemetry and snapshots: lower case, words joined by `_`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Disabled => "disabled",
            Self::ForcedClosed => "forced_closed",
            Self::ForcedOpen => "forced_open",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a circuit changed its state.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Cause {
    /// Too many failures with no success between.
    ConsecutiveFailures,
    /// A call came after the open time was over.
    CoolDownOver,
    /// Too large a share of failures in a window.
    FailureRatio,
    /// Somebody told it to, through its handle.
    Manual,
    /// A probe failed.
    ProbeFailed,
    /// As many probes as were asked for succeeded.
    ProbesSucceeded,
    /// Too large a share of slow calls in a window.
    SlowRatio,
}

impl Cause {
    /// Its name in telemetry and snapshots: lower case, words joined by `_`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::CoolDownOver => "cool_down_over",
            Self::FailureRatio => "failure_ratio",
            Self::Manual => "manual",
            Self::ProbeFailed => "probe_failed",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::SlowRatio => "slow_ratio",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change of a circuit's state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// The serial number of the state after: each change and each reset adds one.
    pub generation: u64,
    /// How long the circuit stays open, where it opened by itself.
    pub open_for: Option<Duration>,
}
