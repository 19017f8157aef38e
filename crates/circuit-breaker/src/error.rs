use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use buttress_classify::{Opinion, Verdict};

/// The circuit is open: the call was refused, and nothing was sent.
///
/// Its own verdict (see [`Opinion`]) says so: not sent, not to be retried, and no evidence for a
/// circuit further out.
#[derive(Debug)]
pub struct Open {
    name: Arc<str>,
    opinion: Opinion,
}

impl Open {
    pub(crate) const fn new(name: Arc<str>, retry_after: Option<Duration>) -> Self {
        let verdict = Verdict::refused("breaker_open").with_retry_after(retry_after);
        Self {
            name,
            opinion: Opinion::new(verdict),
        }
    }

    /// When a call has a chance again: the rest of the open time, or, half-open, the longest wait
    /// for the probes that are running. None where the circuit was forced open.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.opinion.verdict.retry_after
    }

    /// The circuit's name, given at build; empty by default.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("circuit ")?;
        if !self.name.is_empty() {
            write!(f, "`{}` ", self.name)?;
        }
        match self.retry_after() {
            Some(wait) => write!(f, "open for another {wait:?}"),
            None => f.write_str("open until reset"),
        }
    }
}

impl Error for Open {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.opinion)
    }
}

/// Settings that do not go together, or that could never do their work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// The count window holds more than 1 048 576 calls.
    CountWindowTooLarge,
    /// The longest open time is shorter than the first.
    MaxOpenTooShort,
    /// The count window holds fewer calls than the minimum, so it could never be judged.
    MinimumUnreachable,
    /// A ratio is to be judged, and there is no window to judge it over.
    NoWindow,
    /// Neither consecutive failures nor a ratio could ever open the circuit.
    NeverOpens,
    /// A ratio is not above 0 and at most 1.
    RatioOutOfRange,
    /// The time window is shorter than 10 ms.
    TimeWindowTooShort,
    /// The open time, the probe timeout or the slow-call limit is zero.
    ZeroDuration,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CountWindowTooLarge => "the count window is larger than 1048576 calls",
            Self::MaxOpenTooShort => "the longest open time is shorter than the first",
            Self::MinimumUnreachable => "the count window is smaller than the minimum of calls",
            Self::NoWindow => "a ratio needs a time window or a count window",
            Self::NeverOpens => "no rule could ever open the circuit",
            Self::RatioOutOfRange => "a ratio must be above 0 and at most 1",
            Self::TimeWindowTooShort => "the time window is shorter than 10 ms",
            Self::ZeroDuration => "open time, probe timeout and slow-call limit must be above zero",
        })
    }
}

impl Error for BuildError {}
