use std::error::Error;
use std::fmt;

use buttress_classify::BoxError;

use crate::Attempts;

/// An operation's last error, after more than one attempt.
///
/// Its [`source()`](Error::source) is the last error itself, so what that error says of itself
/// still holds. That error alone does not tell whether the operation took effect, for an earlier
/// attempt may have: read [`Attempts::outcome`].
#[derive(Debug)]
pub struct Exhausted {
    attempts: Attempts,
    last: BoxError,
}

impl Exhausted {
    pub(crate) const fn new(attempts: Attempts, last: BoxError) -> Self {
        Self { attempts, last }
    }

    /// The story of all attempts.
    #[must_use]
    pub const fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// The last error.
    #[must_use]
    pub fn into_last(self) -> BoxError {
        self.last
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attempts { count, stopped, .. } = self.attempts;
        write!(f, "gave up after {count} attempts ({stopped})")
    }
}

impl Error for Exhausted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.last)
    }
}
