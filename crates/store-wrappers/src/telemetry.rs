//! Every event this crate emits; no other file names a field or a metric.

use std::time::Duration;

use buttress_store::StoreErrorKind;

use crate::Operation;

/// A call of a metered store ended.
pub(crate) fn called(
    system: &'static str,
    operation: Operation,
    took: Duration,
    failure: Option<&'static str>,
) {
    let (operation, seconds) = (operation.name(), took.as_secs_f64());
    tracing::trace!(
        db.system.name = system,
        db.operation.name = operation,
        error.type = failure,
        duration_s = seconds,
        "store called",
    );
    #[cfg(feature = "metrics")]
    metrics::histogram!(
        "db.client.operation.duration",
        "db.system.name" => system,
        "db.operation.name" => operation,
        "error.type" => failure.unwrap_or(""),
    )
    .record(seconds);
}

/// The closed set of values of `error.type`, with `dropped`.
pub(crate) const fn error_type(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::Unavailable => "unavailable",
        StoreErrorKind::Indeterminate => "indeterminate",
        StoreErrorKind::Corrupt => "corrupt",
        StoreErrorKind::Unsupported => "unsupported",
        _ => "other",
    }
}
