//! Breakers with the settings that are measured, and who calls them.

use std::mem;
use std::task::{Context, Poll};

use buttress_circuit_breaker::CircuitBreakerLayer;
use tower_service::Service;

/// A breaker over HTTP.
pub(crate) type Breaker = CircuitBreakerLayer;

/// Trips on consecutive failures alone.
pub(crate) fn consecutive() -> Breaker {
    CircuitBreakerLayer::http()
        .no_failure_ratio()
        .build()
        .expect("consecutive failures are left")
}

/// The defaults: consecutive failures, or a ratio over ten buckets.
pub(crate) fn window() -> Breaker {
    CircuitBreakerLayer::http()
        .build()
        .expect("the defaults are valid")
}

/// Clones the service for each call, and calls the instance that was ready, as a retry does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloneEachCall<S>(pub(crate) S);

impl<S, R> Service<R> for CloneEachCall<S>
where
    S: Service<R> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> S::Future {
        let clone = self.0.clone();
        mem::replace(&mut self.0, clone).call(request)
    }
}
