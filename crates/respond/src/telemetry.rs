//! Every event this crate emits; no other file names a field.

use std::fmt;

use buttress_classify::{DynError, chain};
use http::StatusCode;

/// An error was answered by its row.
pub(crate) fn answered(status: StatusCode, error: &DynError) {
    tracing::debug!(
        http.response.status_code = status.as_u16(),
        error = %Chain(error),
        "error answered",
    );
}

/// An error without a row was answered with 500: its client learns nothing, so the log must.
pub(crate) fn unknown(error: &DynError) {
    tracing::warn!(
        http.response.status_code = 500_u16,
        error = %Chain(error),
        "unknown error answered",
    );
}

/// An error and its causes in one line.
struct Chain<'a>(&'a DynError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, error) in chain(self.0).enumerate() {
            let colon = if depth == 0 { "" } else { ": " };
            write!(f, "{colon}{error}")?;
        }
        Ok(())
    }
}
