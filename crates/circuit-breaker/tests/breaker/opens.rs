//! When a closed circuit opens, and when it does not.

use buttress_circuit_breaker::{Cause, CircuitBreakerLayer, State};
use buttress_classify::{DynError, Health, HttpOutcome, Verdict, http};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tokio::time::advance;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::peer::{Do, call, calls, consecutive, guarded, millis, peer, ratio, secs, some};

#[tokio::test(start_paused = true)]
async fn five_consecutive_failures_open_it_and_four_do_not() {
    let (mut service, circuit) = guarded(CircuitBreakerLayer::any());
    calls(&mut service, Do::Fail, 4).await;
    calls(&mut service, Do::Succeed, 1).await;
    calls(&mut service, Do::Fail, 4).await;
    assert_eq!(circuit.state(), State::Closed);

    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn half_of_twenty_calls_opens_it_by_default() {
    let (mut service, circuit) = guarded(CircuitBreakerLayer::any());
    let mut transitions = circuit.watch();
    for _ in 0..9 {
        calls(&mut service, Do::Fail, 1).await;
        calls(&mut service, Do::Succeed, 1).await;
    }
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(circuit.state(), State::Closed, "19 calls are not judged");

    // The success that completes the minimum: ten of twenty have failed.
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(transitions.next().await.unwrap().cause, Cause::FailureRatio);
}

#[tokio::test(start_paused = true)]
async fn a_success_beyond_the_minimum_never_opens_it() {
    let (mut service, circuit) = guarded(ratio(4));
    calls(&mut service, Do::Succeed, 40).await;
    advance(secs(20)).await;
    calls(&mut service, Do::Fail, 30).await;
    // The early successes leave the window: 30 of 31 calls in it have failed, and that is old news.
    advance(secs(11)).await;
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed);

    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn the_count_window_slides_however_many_calls_came_before() {
    for healthy in [0, 10, 1000, 10_000] {
        let (mut service, circuit) = guarded(ratio(10).no_time_window().count_window(some(10)));
        calls(&mut service, Do::Succeed, healthy).await;
        let mut failures = 0;
        while circuit.state() == State::Closed {
            calls(&mut service, Do::Fail, 1).await;
            failures += 1;
        }
        let expected = if healthy == 0 { 10 } else { 5 };
        assert_eq!(failures, expected, "after {healthy} successes");
    }
}

#[tokio::test(start_paused = true)]
async fn the_minimum_of_calls_counts_below_the_size_of_the_window() {
    let (mut service, circuit) = guarded(ratio(3).no_time_window().count_window(some(100)));
    calls(&mut service, Do::Fail, 2).await;
    assert_eq!(circuit.state(), State::Closed);
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn old_failures_leave_the_time_window() {
    let (mut service, circuit) = guarded(ratio(4));
    calls(&mut service, Do::Fail, 3).await;
    advance(secs(30)).await;
    calls(&mut service, Do::Fail, 3).await;
    assert_eq!(circuit.state(), State::Closed);
    let window = circuit.snapshot().time_window.unwrap();
    assert_eq!((window.calls, window.failures), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn both_windows_may_judge_at_once() {
    let (mut service, circuit) = guarded(ratio(4).count_window(some(4)));
    calls(&mut service, Do::Succeed, 100).await;
    calls(&mut service, Do::Fail, 2).await;
    assert_eq!(circuit.state(), State::Open, "two of the last four");
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it_though_they_succeed() {
    let (mut service, circuit) = guarded(ratio(4).slow_calls(secs(1), 0.5));
    calls(&mut service, Do::SucceedAfter(secs(1)), 4).await;
    assert_eq!(
        circuit.state(),
        State::Closed,
        "at the limit is not over it"
    );

    calls(&mut service, Do::SucceedAfter(millis(1001)), 3).await;
    assert_eq!(circuit.state(), State::Closed);
    calls(&mut service, Do::SucceedAfter(millis(1001)), 1).await;
    assert_eq!(circuit.state(), State::Open, "four of eight");
}

#[tokio::test(start_paused = true)]
async fn throttled_calls_count_only_if_asked_and_never_as_consecutive_failures() {
    let (mut service, circuit) = guarded(consecutive(2));
    calls(&mut service, Do::Throttle, 50).await;
    assert_eq!(circuit.state(), State::Closed);
    calls(&mut service, Do::Fail, 1).await;
    calls(&mut service, Do::Throttle, 1).await;
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(
        circuit.state(),
        State::Open,
        "nor are they a success between"
    );

    let (mut service, circuit) = guarded(ratio(4));
    calls(&mut service, Do::Throttle, 50).await;
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);

    let (mut service, circuit) = guarded(ratio(4).count_throttled());
    calls(&mut service, Do::Throttle, 4).await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn ignored_outcomes_leave_it_alone() {
    let (mut service, circuit) = guarded(CircuitBreakerLayer::any());
    calls(&mut service, Do::Ignore, 100).await;
    assert_eq!(circuit.state(), State::Closed);
    let snapshot = circuit.snapshot();
    assert_eq!(snapshot.consecutive_failures, 0);
    assert_eq!(snapshot.time_window.unwrap().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure() {
    let (mut service, circuit) = guarded(consecutive(2));
    for _ in 0..2 {
        let call = std::panic::AssertUnwindSafe(call(&mut service, Do::Panic));
        assert!(call.catch_unwind().await.is_err(), "the panic goes on");
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_call_is_a_failure() {
    let layer = consecutive(1).build().unwrap();
    let circuit = layer.handle();
    let broken = service_fn(|()| -> std::future::Ready<Result<(), std::io::Error>> {
        panic!("before there is a future")
    });
    let mut service = ServiceBuilder::new().layer(layer).service(broken);
    let service = service.ready().await.unwrap();
    let call = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(service.call(()))));
    assert!(call.is_err());
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_http_5xx_is_a_failure_and_a_4xx_is_not() {
    let layer = CircuitBreakerLayer::http().build().unwrap();
    let circuit = layer.handle();
    let mut service =
        ServiceBuilder::new()
            .layer(layer)
            .service_fn(|request: Request<u16>| async move {
                let status = StatusCode::from_u16(request.into_body()).unwrap();
                Ok::<_, std::convert::Infallible>(
                    Response::builder().status(status).body(()).unwrap(),
                )
            });
    for status in [400, 401, 404, 409, 422, 429] {
        for _ in 0..30 {
            let response = service.ready().await.unwrap().call(Request::new(status));
            assert_eq!(response.await.unwrap().status(), status);
        }
        assert_eq!(circuit.state(), State::Closed, "{status}");
    }
    for _ in 0..5 {
        let response = service.ready().await.unwrap().call(Request::new(503));
        assert_eq!(response.await.unwrap().status(), 503);
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn replayed_answers_and_in_flight_conflicts_leave_it_alone() {
    let provider = http(|outcome| match outcome {
        HttpOutcome::Head(StatusCode::CONFLICT, _) => {
            Some(Verdict::transient("in flight").with_health(Health::Neutral))
        }
        HttpOutcome::Head(_, headers) if headers.contains_key("idempotent-replayed") => {
            Some(Verdict::rejected("replayed").with_health(Health::Neutral))
        }
        _ => None,
    });
    let layer = CircuitBreakerLayer::http()
        .classify((provider, buttress_classify::HttpClassifier))
        .build()
        .unwrap();
    let circuit = layer.handle();
    let mut service =
        ServiceBuilder::new()
            .layer(layer)
            .service_fn(|request: Request<bool>| async move {
                let response = Response::builder();
                Ok::<_, std::convert::Infallible>(if request.into_body() {
                    let replayed = response.status(500).header("idempotent-replayed", "true");
                    replayed.body(()).unwrap()
                } else {
                    response.status(409).body(()).unwrap()
                })
            });
    for turn in 0..100 {
        let request = Request::new(turn % 2 == 0);
        service.ready().await.unwrap().call(request).await.unwrap();
    }
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn where_the_classifier_has_no_opinion_an_error_speaks_for_itself() {
    let silent = |_: Result<&(), &DynError>| None;
    for (what, expected) in [
        (Do::Fail, State::Open),
        (Do::FailFor(secs(1)), State::Open),
        (Do::Ignore, State::Closed),
        (Do::Throttle, State::Closed),
        (Do::Succeed, State::Closed),
    ] {
        let layer = consecutive(1).classify(silent).build().unwrap();
        let circuit = layer.handle();
        let mut service = ServiceBuilder::new().layer(layer).service(peer());
        calls(&mut service, what, 3).await;
        assert_eq!(circuit.state(), expected, "{what:?}");
    }
}
