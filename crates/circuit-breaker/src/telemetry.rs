//! Every event this crate emits; no other file names a field or a metric.

use crate::Transition;

/// A circuit changed its state.
pub(crate) fn transition(name: &str, transition: &Transition) {
    tracing::info!(
        breaker.name = name,
        breaker.state = transition.to.as_str(),
        breaker.previous_state = transition.from.as_str(),
        breaker.cause = transition.cause.as_str(),
        breaker.open_s = transition.open_for.map(|open| open.as_secs_f64()),
        "circuit changed",
    );
    #[cfg(feature = "metrics")]
    {
        metrics::counter!(
            "breaker.transitions",
            "breaker.name" => name.to_owned(),
            "breaker.state" => transition.to.as_str(),
        )
        .increment(1);
    }
}

/// A call was refused, or would have been but for shadow mode.
pub(crate) fn refused(name: &str, shadow: bool) {
    tracing::debug!(breaker.name = name, breaker.shadow = shadow, "call refused");
    #[cfg(feature = "metrics")]
    {
        let enforced = if shadow { "false" } else { "true" };
        metrics::counter!(
            "breaker.rejections",
            "breaker.name" => name.to_owned(),
            "breaker.enforced" => enforced,
        )
        .increment(1);
    }
}

/// An answer came after the state that let its call through had ended; it changed nothing.
pub(crate) fn late(name: &str) {
    tracing::debug!(breaker.name = name, "late outcome ignored");
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("breaker.late_outcomes", "breaker.name" => name.to_owned()).increment(1);
    }
}

/// As many circuits as may be kept have calls in flight, so one more key goes unwatched.
#[cfg(not(loom))]
pub(crate) fn unwatched(name: &str) {
    tracing::debug!(breaker.name = name, "no circuit free for another key");
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("breaker.unwatched", "breaker.name" => name.to_owned()).increment(1);
    }
}

/// A listener panicked.
pub(crate) fn listener_panicked(name: &str) {
    tracing::warn!(breaker.name = name, "a transition listener panicked");
}
