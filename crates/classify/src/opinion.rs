use std::error::Error;
use std::fmt;

use crate::{BoxError, Verdict};

/// The verdict that an error carries about itself.
///
/// A layer that adds an error returns its opinion from [`source()`](Error::source), and the error's
/// real cause is the opinion's own source. In a chain the outermost opinion wins, so whoever wraps
/// an error may also judge it; third parties are welcome to do the same.
#[derive(Debug)]
pub struct Opinion {
    /// What the error means.
    pub verdict: Verdict,
    source: Option<BoxError>,
}

impl Opinion {
    /// An opinion on an error without a cause of its own.
    #[must_use]
    pub const fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            source: None,
        }
    }

    /// An opinion on an error that `source` caused.
    #[must_use]
    pub fn caused_by(verdict: Verdict, source: impl Into<BoxError>) -> Self {
        Self {
            verdict,
            source: Some(source.into()),
        }
    }
}

impl fmt::Display for Opinion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict.reason)
    }
}

impl Error for Opinion {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
