use std::error::Error;
use std::fmt;
use std::time::Duration;

use buttress_classify::{Opinion, Verdict};

use crate::clock::Cut;

/// A call was unfinished at its limit or at its deadline, and has been given up.
///
/// The request may have reached the server, so this says nothing about its effect there; unless
/// the deadline had passed before the call, which was then not made. In a chain of errors its
/// [`Opinion`] says which: its own limit is transient, a deadline is permanent.
#[derive(Debug)]
pub struct Elapsed {
    limit: Duration,
    phase: Phase,
    deadline: bool,
    opinion: Opinion,
}

/// What a call was waiting for when it was given up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// The response's head, or all of a response that has no body.
    Head,
    /// The rest of the response's body.
    Body,
    /// The next frame of the response's body.
    Idle,
}

impl Elapsed {
    pub(crate) const fn new(limit: Duration, phase: Phase, cut: Cut) -> Self {
        Self {
            limit,
            phase,
            deadline: matches!(cut, Cut::Deadline),
            opinion: Opinion::new(match cut {
                Cut::Deadline => Verdict::permanent("deadline"),
                Cut::Limit => Verdict::transient("timeout"),
            }),
        }
    }

    /// The deadline had passed before the call.
    pub(crate) const fn unsent(limit: Duration) -> Self {
        Self {
            limit,
            phase: Phase::Head,
            deadline: true,
            opinion: Opinion::new(Verdict::refused("deadline")),
        }
    }

    /// The layer's own limit for this phase; not yet reached if a deadline cut the call.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// What the call was waiting for.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it was an outer [`Deadline`](buttress_deadline::Deadline) that cut the call.
    #[must_use]
    pub const fn deadline(&self) -> bool {
        self.deadline
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.deadline, self.phase) {
            (true, Phase::Head) => f.write_str("call unfinished at its deadline"),
            (true, _) => f.write_str("response body unfinished at its deadline"),
            (false, Phase::Head) => write!(f, "call unfinished after {:?}", self.limit),
            (false, Phase::Body) => write!(f, "response body unfinished after {:?}", self.limit),
            (false, Phase::Idle) => write!(f, "response body idle for {:?}", self.limit),
        }
    }
}

impl Error for Elapsed {
    /// Its own verdict, so that retry and breaker know what it means.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.opinion)
    }
}
