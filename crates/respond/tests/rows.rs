//! Every row for an error of this workspace, with the error made by its own layer.
#![cfg(all(
    feature = "circuit-breaker",
    feature = "idempotency",
    feature = "retry",
    feature = "timeout",
    feature = "tower"
))]

mod common;

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_classify::BoxError;
use buttress_idempotency::IdempotencyKeyLayer;
use buttress_key::Profile;
use buttress_respond::ProblemLayer;
use buttress_retry::RetryLayer;
use buttress_timeout::TimeoutLayer;
use http::{Request, Response};
use tower::load_shed::LoadShedLayer;
use tower::{Service, ServiceBuilder, ServiceExt};

use self::common::{Body, Failed, answer, read};

/// The error of one call through a stack.
async fn error_of<S, B>(stack: S) -> BoxError
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
{
    let request = Request::post("http://peer/").body(Body::default()).unwrap();
    stack.oneshot(request).await.map(drop).unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_took_too_long_is_a_504() {
    let error = error_of(
        ServiceBuilder::new()
            .layer(TimeoutLayer::head(Duration::from_secs(1)))
            .service_fn(|_| std::future::pending::<Result<Response<Body>, BoxError>>()),
    )
    .await;
    let (status, members, _) = read(answer(ProblemLayer::new(), error).await).await;
    assert_eq!(status, 504);
    assert_eq!(members["type"], "urn:buttress:problem:timeout");
    assert_eq!(members["title"], "The answer took too long");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_a_503_with_the_time_until_it_may_close() {
    let breaker = CircuitBreakerLayer::http()
        .consecutive_failures(NonZeroU32::MIN)
        .open_for(Duration::from_secs(7))
        .jitter(buttress_backoff::Jitter::None)
        .build()
        .unwrap();
    let stack = || {
        ServiceBuilder::new()
            .layer(breaker.clone())
            .service_fn(|_| async { Err::<Response<Body>, _>(BoxError::from(Failed(None))) })
    };
    error_of(stack()).await;

    let response = answer(ProblemLayer::new(), error_of(stack()).await).await;
    assert_eq!(response.headers()["retry-after"], "7");
    let (status, members, _) = read(response).await;
    assert_eq!(status, 503);
    assert_eq!(members["type"], "urn:buttress:problem:unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_was_forced_open_promises_no_time() {
    let breaker = CircuitBreakerLayer::http().build().unwrap();
    breaker.handle().force_open();
    let error = error_of(
        ServiceBuilder::new()
            .layer(breaker)
            .service_fn(|_| async { Ok::<_, BoxError>(Response::new(Body::default())) }),
    )
    .await;
    let response = answer(ProblemLayer::new(), error).await;
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("retry-after"));
}

/// The error of a stack that was retried until its attempts were used up.
async fn exhausted<F, E>(fail: F) -> BoxError
where
    F: Fn() -> E + Clone,
    E: Future<Output = Result<Response<Body>, BoxError>>,
{
    error_of(
        ServiceBuilder::new()
            .layer(RetryLayer::new().safe_when(|_| true))
            .layer(TimeoutLayer::new(Duration::from_secs(1)))
            .service_fn(move |_| fail()),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn the_last_error_after_many_attempts_is_answered_as_if_alone() {
    let error = exhausted(std::future::pending).await;
    assert!(error.is::<buttress_retry::Exhausted>());
    let response = answer(ProblemLayer::new(), error).await;
    assert_eq!(response.status(), 504);
}

#[tokio::test(start_paused = true)]
async fn a_last_error_without_a_row_is_a_502() {
    let refused = || async {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        Err::<Response<Body>, BoxError>(refused.into())
    };
    let error = exhausted(refused).await;
    assert!(error.is::<buttress_retry::Exhausted>(), "{error}");
    let (status, members, _) = read(answer(ProblemLayer::new(), error).await).await;
    assert_eq!(status, 502);
    assert_eq!(members["type"], "urn:buttress:problem:upstream");
}

#[tokio::test]
async fn a_key_that_was_refused_is_the_programs_own_fault() {
    let error = error_of(
        ServiceBuilder::new()
            .layer(IdempotencyKeyLayer::outbound(Profile::stripe_v1()))
            .service_fn(|_| async { Ok::<_, BoxError>(Response::new(Body::default())) }),
    )
    .await;
    let (status, members, text) = read(answer(ProblemLayer::new(), error).await).await;
    assert_eq!(status, 500);
    assert_eq!(members["type"], "urn:buttress:problem:key-refused");
    assert!(!text.contains("idempotency"));
}

#[tokio::test]
async fn towers_own_timeout_and_load_shed_have_rows_too() {
    let late = tower::timeout::error::Elapsed::new();
    assert_eq!(answer(ProblemLayer::new(), late).await.status(), 504);

    let full = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(tower::limit::ConcurrencyLimitLayer::new(0))
        .service_fn(|_| async { Ok::<_, BoxError>(Response::new(Body::default())) });
    let error = error_of(full).await;
    assert_eq!(answer(ProblemLayer::new(), error).await.status(), 503);
}

#[tokio::test]
async fn types_begin_as_the_user_wants() {
    let layer = ProblemLayer::new().types("https://api.example/problems/");
    let late = tower::timeout::error::Elapsed::new();
    let (_, members, _) = read(answer(layer, late).await).await;
    assert_eq!(members["type"], "https://api.example/problems/timeout");
}
