//! Every event this crate emits; no other file names a field.

use std::error::Error;
use std::path::Path;

/// A store was opened; the claims of the process before are orphans now.
pub(crate) fn opened(path: &Path, orphans: usize, unreadable: usize) {
    tracing::info!(
        db.system.name = "sqlite",
        path = %path.display(),
        idempotency.orphans = orphans,
        "store opened",
    );
    if unreadable > 0 {
        tracing::warn!(
            db.system.name = "sqlite",
            idempotency.unreadable = unreadable,
            "claims of a newer version in the store",
        );
    }
}

/// The store refuses everything from now on.
pub(crate) fn broken(error: &(dyn Error + 'static)) {
    tracing::warn!(
        db.system.name = "sqlite",
        error,
        "store broken until reopened"
    );
}
