//! Every event this crate emits; no other file names a field or a metric.

use crate::{Elapsed, Phase};

/// A call was given up.
pub(crate) fn elapsed(elapsed: &Elapsed) {
    let phase = match elapsed.phase() {
        Phase::Head => "head",
        Phase::Body => "body",
        Phase::Idle => "idle",
    };
    let error = if elapsed.deadline() {
        "deadline"
    } else {
        "timeout"
    };
    tracing::debug!(
        error.type = error,
        timeout.phase = phase,
        timeout.limit_s = elapsed.limit().as_secs_f64(),
        "giving up",
    );
    count(error, phase);
}

/// Counts calls given up, by who ended them and by what they waited for.
#[cfg(feature = "metrics")]
fn count(error: &'static str, phase: &'static str) {
    metrics::counter!("timeout.elapsed", "error.type" => error, "timeout.phase" => phase)
        .increment(1);
}

#[cfg(not(feature = "metrics"))]
const fn count(_error: &'static str, _phase: &'static str) {}
