//! Every event this crate emits; no other file names a field or a metric.

use std::time::Duration;

use crate::Reason;

/// About to wait `delay` before resend number `resend` (1 is the first repeat), because of `reason`.
pub(crate) fn resend(resend: u32, delay: Duration, reason: &'static str) {
    tracing::debug!(
        http.request.resend_count = resend,
        retry.reason = reason,
        retry.delay_s = delay.as_secs_f64(),
        "resending",
    );
    count(reason, "resent");
}

/// A retry was refused: attempt number `attempts` failed for `reason`, and was the last.
pub(crate) fn refused(attempts: u32, reason: &'static str, stopped: Reason) {
    tracing::debug!(
        http.request.resend_count = attempts - 1,
        retry.reason = reason,
        outcome = stopped.as_str(),
        "not resending",
    );
    count(reason, stopped.as_str());
}

/// Counts an attempt that failed for now, by why it failed and by what followed.
#[cfg(feature = "metrics")]
fn count(reason: &'static str, outcome: &'static str) {
    metrics::counter!("retry.attempts", "retry.reason" => reason, "outcome" => outcome)
        .increment(1);
}

#[cfg(not(feature = "metrics"))]
const fn count(_reason: &'static str, _outcome: &'static str) {}
