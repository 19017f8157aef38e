//! The breaker among the other layers.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buttress_circuit_breaker::{CircuitBreakerLayer, CircuitHandle, Open, State};
use buttress_classify::{BoxError, HttpClassifier, find};
use buttress_key::Profile;
use buttress_retry::RetryLayer;
use buttress_timeout::{Elapsed, TimeoutLayer};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt};

const LIMIT: Duration = Duration::from_secs(1);

type Answer = Response<Full<Bytes>>;

fn request() -> Request<Full<Bytes>> {
    Request::new(Full::default())
}

fn breaker() -> (CircuitBreakerLayer, CircuitHandle) {
    let layer = CircuitBreakerLayer::http().build().unwrap();
    let circuit = layer.handle();
    (layer, circuit)
}

async fn hang<B>(_: Request<B>) -> Result<Answer, Infallible> {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_that_writes_its_deadline_opens_it() {
    let (layer, circuit) = breaker();
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(LIMIT).deadline())
        .layer(layer)
        .service_fn(hang);
    for _ in 0..5 {
        assert_eq!(circuit.state(), State::Closed);
        let error = stack.clone().oneshot(request()).await.unwrap_err();
        assert!(find::<Elapsed>(&*error).is_some());
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_that_writes_none_does_not() {
    let (layer, circuit) = breaker();
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(LIMIT))
        .layer(layer)
        .service_fn(hang);
    for _ in 0..50 {
        assert!(stack.clone().oneshot(request()).await.is_err());
    }
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_opens_it() {
    let (layer, circuit) = breaker();
    let stack = ServiceBuilder::new()
        .layer(layer)
        .layer(TimeoutLayer::new(LIMIT))
        .service_fn(hang);
    for _ in 0..5 {
        assert_eq!(circuit.state(), State::Closed);
        assert!(stack.clone().oneshot(request()).await.is_err());
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_retry_outside_does_not_repeat_what_the_circuit_refuses() {
    let (layer, circuit) = breaker();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new())
        .layer(layer)
        .service_fn(move |_: Request<_>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let down = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
            async move { Ok::<Answer, Infallible>(down.body(Full::default()).unwrap()) }
        });
    // Three attempts, then two more: the fifth failure opens it, and the third attempt is refused.
    let response = stack.clone().oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 503);
    let error: BoxError = stack.clone().oneshot(request()).await.unwrap_err();
    assert!(find::<Open>(&*error).is_some());
    assert_eq!(calls.load(Ordering::Relaxed), 5);

    let before = tokio::time::Instant::now();
    let error = stack.clone().oneshot(request()).await.unwrap_err();
    assert!(find::<Open>(&*error).is_some());
    assert_eq!(before.elapsed(), Duration::ZERO, "refused at once");
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    assert_eq!(circuit.snapshot().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn a_profiles_replayed_answers_and_in_flight_conflicts_leave_it_alone() {
    let layer = CircuitBreakerLayer::http()
        .classify((Profile::stripe_v1(), HttpClassifier))
        .build()
        .unwrap();
    let circuit = layer.handle();
    let stack =
        ServiceBuilder::new()
            .layer(layer)
            .service_fn(|request: Request<bool>| async move {
                let response = if request.into_body() {
                    let failed = Response::builder().status(500);
                    failed.header("idempotent-replayed", "true")
                } else {
                    Response::builder().status(409)
                };
                Ok::<_, Infallible>(response.body(()).unwrap())
            });
    for turn in 0..100 {
        let request = Request::new(turn % 2 == 0);
        stack.clone().oneshot(request).await.unwrap();
    }
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);
}
