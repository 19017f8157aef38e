//! The same work through the layers of others.
//!
//! Each is set up to do what ours does where it can: it looks at the status, keeps a request to send
//! again, and has the same limits. `failsafe` looks at errors alone, `tower` has no breaker.

use std::convert::Infallible;
use std::time::Duration;

use http::{Response, StatusCode};
use tower_http::timeout::TimeoutLayer as HttpTimeoutLayer;
use tower_layer::Layer;
use tower_resilience_circuitbreaker::{
    CircuitBreakerConfigBuilder, CircuitBreakerError, CircuitBreakerLayer, FailureClassifier,
    SlidingWindowType,
};
use tower_resilience_retry::RetryLayer;
use tower_resilience_timelimiter::{FixedTimeout, TimeLimiterError, TimeLimiterLayer};
use tower_service::Service;

use crate::case::{Case, LIMIT, Never};
use crate::driver::{Req, Res, bare, drive, pending_once, r0, r4};
use crate::failsafe;
use crate::reqwest_retry;

/// All rivals' cases.
pub(crate) const CASES: &[Case] = &[
    ("tower-http::timeout/R0", |calls| {
        drive(http_timeout().layer(bare()), r0, calls);
    }),
    ("tower-http::timeout-pending/R0", |calls| {
        drive(http_timeout().layer(pending_once()), r0, calls);
    }),
    ("tower-resilience::timeout/R0", |calls| {
        drive(time_limiter().layer(bare()), r0, calls);
    }),
    ("tower-resilience::timeout-pending/R0", |calls| {
        drive(time_limiter().layer(pending_once()), r0, calls);
    }),
    ("tower-resilience::retry/R0", |calls| {
        drive(retry().layer(bare()), r0, calls);
    }),
    ("tower-resilience::retry/R4", |calls| {
        drive(retry().layer(bare()), r4, calls);
    }),
    ("tower-resilience::breaker-consecutive/R0", |calls| {
        drive(consecutive().layer(bare()), r0, calls);
    }),
    ("tower-resilience::breaker-window/R0", |calls| {
        drive(count().layer(bare()), r0, calls);
    }),
    ("tower-resilience::stack/R4", |calls| {
        drive(three_layers(bare()), r4, calls);
    }),
    ("failsafe::breaker-consecutive/R0", |calls| {
        drive(failsafe::consecutive(bare()), r0, calls);
    }),
    ("failsafe::breaker-window/R0", |calls| {
        drive(failsafe::window(bare()), r0, calls);
    }),
    ("tower::stack/R4", |calls| {
        let timeout = tower::timeout::TimeoutLayer::new(LIMIT);
        let retry = tower::retry::RetryLayer::new(Never);
        drive(timeout.layer(retry.layer(timeout.layer(bare()))), r4, calls);
    }),
    ("reqwest-middleware/R4", |calls| {
        drive(reqwest_retry::bare(), reqwest_retry::r4, calls);
    }),
    ("reqwest-retry/R4", |calls| {
        drive(reqwest_retry::retry(), reqwest_retry::r4, calls);
    }),
];

/// `tower-http`'s time limit.
pub(crate) fn http_timeout() -> HttpTimeoutLayer {
    HttpTimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT)
}

/// `tower-resilience`'s time limit.
pub(crate) fn time_limiter() -> TimeLimiterLayer<FixedTimeout> {
    TimeLimiterLayer::builder().timeout_duration(LIMIT).build()
}

fn retry<E>() -> RetryLayer<Req, Res, E> {
    RetryLayer::builder()
        .max_attempts(3)
        .retry_on_response(|response: &Res| response.status().is_server_error())
        .build()
}

/// Counts server errors, and errors, as failures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerErrors;

impl<B, E> FailureClassifier<Response<B>, E> for ServerErrors {
    fn classify(&self, outcome: &Result<Response<B>, E>) -> bool {
        match outcome {
            Ok(response) => response.status().is_server_error(),
            Err(_) => true,
        }
    }
}

/// `tower-resilience`'s breaker.
pub(crate) type Breaker = CircuitBreakerLayer<ServerErrors>;

/// Trips on consecutive failures.
pub(crate) fn consecutive() -> Breaker {
    shared(breaker().consecutive_failures(5))
}

/// Trips on a share of the last hundred calls: its default.
pub(crate) fn count() -> Breaker {
    shared(breaker())
}

/// Trips on a share of the calls of the last `window`.
pub(crate) fn over_time(window: Duration) -> Breaker {
    shared(
        breaker()
            .sliding_window_type(SlidingWindowType::TimeBased)
            .sliding_window_duration(window),
    )
}

fn breaker() -> CircuitBreakerConfigBuilder<ServerErrors> {
    CircuitBreakerLayer::builder().failure_classifier_type(ServerErrors)
}

/// One circuit for all services of the layer, as ours has.
fn shared(breaker: CircuitBreakerConfigBuilder<ServerErrors>) -> Breaker {
    let (layer, _) = breaker.build_with_handle().expect("valid settings");
    layer
}

/// Retry, breaker and time limit: its three layers.
fn three_layers<S>(
    inner: S,
) -> impl Service<Req, Response = Res, Error = CircuitBreakerError<TimeLimiterError<Infallible>>>
where
    S: Service<Req, Response = Res, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    retry().layer(count().layer(time_limiter().layer(inner)))
}
