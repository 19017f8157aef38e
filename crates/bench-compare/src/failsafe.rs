//! `failsafe`'s breaker, which wraps futures, as a service.

use std::task::{Context, Poll};
use std::time::Duration;

use failsafe::backoff::{self, EqualJittered};
use failsafe::failure_policy::{
    ConsecutiveFailures, OrElse, SuccessRateOverTimeWindow, consecutive_failures,
};
use failsafe::futures::{CircuitBreaker, ResponseFuture};
use failsafe::{Any, Config, Error, FailurePolicy, StateMachine};
use tower_service::Service;

/// A service behind a circuit of `failsafe`.
#[derive(Debug)]
pub(crate) struct Failsafe<S, P> {
    inner: S,
    circuit: StateMachine<P, ()>,
}

/// Clones share the circuit.
impl<S: Clone, P> Clone for Failsafe<S, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            circuit: self.circuit.clone(),
        }
    }
}

/// Trips on five consecutive failures.
pub(crate) fn consecutive<S>(inner: S) -> Failsafe<S, ConsecutiveFailures<EqualJittered>> {
    let backoff = backoff::equal_jittered(Duration::from_secs(30), Duration::from_secs(300));
    let policy = consecutive_failures(5, backoff);
    let circuit = Config::new().failure_policy(policy).build();
    Failsafe { inner, circuit }
}

/// Its default: consecutive failures, or the share of successes in a window of time.
pub(crate) fn window<S>(
    inner: S,
) -> Failsafe<S, OrElse<SuccessRateOverTimeWindow<EqualJittered>, ConsecutiveFailures<EqualJittered>>>
{
    let circuit = Config::new().build();
    Failsafe { inner, circuit }
}

impl<S, P, R> Service<R> for Failsafe<S, P>
where
    S: Service<R>,
    P: FailurePolicy + Send + Sync,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future, P, (), Any>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        self.circuit.call(self.inner.call(request))
    }
}
