//! Every event this crate emits; no other file names a field.

use std::error::Error;

/// The servers answered and are fit.
pub(crate) fn connected(servers: usize, version: &str, cluster: bool) {
    tracing::info!(
        db.system.name = "redis",
        servers,
        version,
        cluster,
        "store connected",
    );
}

/// A server does not say how it is set up: nobody has checked that it keeps what it is given.
pub(crate) fn unchecked(error: &(dyn Error + 'static)) {
    tracing::warn!(
        db.system.name = "redis",
        error,
        "eviction policy not checked"
    );
}

/// A connection ended; the next call makes another.
pub(crate) fn disconnected(error: &(dyn Error + 'static)) {
    tracing::info!(db.system.name = "redis", error, "connection ended");
}

/// Those who wait are woken from now on.
pub(crate) fn listening() {
    tracing::debug!(db.system.name = "redis", "listening for settlements");
}

/// Those who wait poll until the listener is back.
pub(crate) fn deaf(error: &(dyn Error + 'static)) {
    tracing::warn!(
        db.system.name = "redis",
        error,
        "not listening for settlements"
    );
}
