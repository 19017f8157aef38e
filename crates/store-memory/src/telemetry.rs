//! Every event this crate emits; no other file names a field or a metric.

/// A record was given up before its time to make room: its key is open again.
pub(crate) fn evicted() {
    tracing::debug!(idempotency.outcome = "evicted", "record evicted");
    #[cfg(feature = "metrics")]
    metrics::counter!("idempotency.evictions").increment(1);
}
