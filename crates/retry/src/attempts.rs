use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use buttress_classify::Sent;

/// Which attempt a request is, in its extensions: 2 or more, for first attempts carry none.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Attempt(pub NonZeroU32);

/// The story of an operation that was, or could have been, attempted more than once.
///
/// It stands in the response's extensions when there was more than one attempt or a retry was
/// refused, and in [`Exhausted`](crate::Exhausted).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Attempts {
    /// How many there were, the first one included.
    pub count: NonZeroU32,
    /// The sum of the waits before them.
    pub waited: Duration,
    /// Could the peer have begun work in any of them?
    pub sent: Sent,
    /// What is known about the operation's effect.
    pub outcome: Outcome,
    /// Why there was no further attempt.
    pub stopped: Reason,
}

/// What is known about an operation's effect at the peer, all its attempts taken together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// It had none: no attempt was sent, or the declared profile certifies so.
    NotExecuted,
    /// Nobody knows. Reconcile before anything is sent under another key.
    Unknown,
    /// What the response says.
    Definite,
}

/// Why there was no further attempt.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// All attempts were used.
    Attempts,
    /// The retry budget is spent.
    Budget,
    /// The wait would not have ended before the deadline.
    Deadline,
    /// The peer asked for a longer wait than is allowed.
    HintTooLong,
    /// The request's body cannot be sent a second time.
    NotReplayable,
    /// The outcome will not change.
    Permanent,
    /// It worked.
    Success,
    /// Work may have begun, and the request is not known to be safe to repeat.
    Unsafe,
    /// The peer forbade another attempt.
    Vetoed,
}

impl Reason {
    /// A short, constant name, for telemetry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::HintTooLong => "hint_too_long",
            Self::NotReplayable => "not_replayable",
            Self::Permanent => "permanent",
            Self::Success => "success",
            Self::Unsafe => "unsafe",
            Self::Vetoed => "vetoed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
