//! The rows for the errors of this workspace.

use std::error::Error;
use std::time::Duration;

use buttress_classify::{DynError, Opinion, chain};
use buttress_problem::Problem;
use http::StatusCode;

/// What a known error is answered.
pub(crate) struct Known {
    status: StatusCode,
    name: &'static str,
    title: &'static str,
    retry_after: Option<Duration>,
}

impl Known {
    const fn new(status: StatusCode, name: &'static str, title: &'static str) -> Self {
        Self {
            status,
            name,
            title,
            retry_after: None,
        }
    }

    const fn unavailable(retry_after: Option<Duration>) -> Self {
        let title = "The service is unavailable for now";
        let mut known = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title);
        known.retry_after = retry_after;
        known
    }

    #[cfg(any(feature = "timeout", feature = "tower"))]
    const fn timeout() -> Self {
        let title = "The answer took too long";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", title)
    }

    pub(crate) fn into_problem(self, prefix: &str) -> Problem {
        let problem = Problem::new(self.status)
            .type_uri(format!("{prefix}{}", self.name))
            .title(self.title);
        match self.retry_after {
            Some(wait) => problem.retry_after(wait),
            None => problem,
        }
    }
}

/// The outermost cause that has a row decides; that the attempts are used up says least.
pub(crate) fn judge(error: &DynError) -> Option<Known> {
    chain(error).find_map(known).or_else(|| exhausted(error))
}

#[allow(
    clippy::needless_return,
    reason = "each feature's row may be the last one that is compiled"
)]
fn known(error: &(dyn Error + 'static)) -> Option<Known> {
    #[cfg(feature = "timeout")]
    if error.is::<buttress_timeout::Elapsed>() {
        return Some(Known::timeout());
    }
    #[cfg(feature = "circuit-breaker")]
    if let Some(open) = error.downcast_ref::<buttress_circuit_breaker::Open>() {
        return Some(Known::unavailable(open.retry_after()));
    }
    #[cfg(feature = "idempotency")]
    if let Some(refused) = error.downcast_ref::<buttress_idempotency::KeyRefused>() {
        return Some(key_refused(refused));
    }
    #[cfg(feature = "tower")]
    if error.is::<tower::timeout::error::Elapsed>() {
        return Some(Known::timeout());
    }
    #[cfg(feature = "tower")]
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(Known::unavailable(None));
    }
    // An error that says by itself when to come back: a rate limit, or one of somebody else's.
    let verdict = &error.downcast_ref::<Opinion>()?.verdict;
    verdict
        .retry_after
        .map(|wait| Known::unavailable(Some(wait)))
}

/// A refused key is the program's own mistake, not its client's, unless randomness ran out.
#[cfg(feature = "idempotency")]
fn key_refused(refused: &buttress_idempotency::KeyRefused) -> Known {
    match refused.refusal() {
        buttress_idempotency::Refusal::NoEntropy => Known::unavailable(None),
        _ => Known::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "key-refused",
            "A request to another service was not sent",
        ),
    }
}

#[cfg(feature = "retry")]
fn exhausted(error: &DynError) -> Option<Known> {
    buttress_classify::find::<buttress_retry::Exhausted>(error).map(|_| {
        Known::new(
            StatusCode::BAD_GATEWAY,
            "upstream",
            "Another service failed repeatedly",
        )
    })
}

#[cfg(not(feature = "retry"))]
const fn exhausted(_: &DynError) -> Option<Known> {
    None
}
