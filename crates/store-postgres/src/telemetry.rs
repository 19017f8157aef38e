//! Every event this crate emits; no other file names a field.

/// Those who wait are woken from now on.
pub(crate) fn listening() {
    tracing::info!(db.system.name = "postgresql", "listening for settlements");
}

/// Those who wait poll until the listener is back.
pub(crate) fn deaf(error: Option<&sqlx::Error>) {
    let error = error.map(tracing::field::display);
    tracing::info!(
        db.system.name = "postgresql",
        error,
        "no longer listening for settlements"
    );
}
