//! What a dropped call says: a deadline passed, a peer that hangs, or a user who hung up.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use buttress_circuit_breaker::{CircuitBreakerLayer, State};
use buttress_deadline::Deadline;
use futures_util::poll;
use http::{Request, Response};
use tokio::time::{Instant, advance, timeout};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::peer::{Do, consecutive, guarded, millis, secs};

#[tokio::test(start_paused = true)]
async fn users_who_hang_up_early_do_not_open_it() {
    let (mut service, circuit) = guarded(CircuitBreakerLayer::any());
    for _ in 0..100 {
        let call = service.ready().await.unwrap().call(Do::Hang);
        assert!(timeout(secs(10), call).await.is_err());
    }
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn calls_dropped_when_older_than_ten_seconds_open_it() {
    let (mut service, circuit) = guarded(consecutive(5));
    for _ in 0..5 {
        assert_eq!(circuit.state(), State::Closed);
        let call = service.ready().await.unwrap().call(Do::Hang);
        assert!(timeout(millis(10_001), call).await.is_err());
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn the_slow_call_limit_is_the_age_that_counts_where_there_is_one() {
    let (mut service, circuit) = guarded(consecutive(1).slow_calls(secs(2), 1.0));
    let call = service.ready().await.unwrap().call(Do::Hang);
    assert!(timeout(secs(2), call).await.is_err());
    assert_eq!(circuit.state(), State::Closed);
    let call = service.ready().await.unwrap().call(Do::Hang);
    assert!(timeout(millis(2_001), call).await.is_err());
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_after_its_deadline_is_a_failure_and_before_it_is_not() {
    let layer = CircuitBreakerLayer::http().build().unwrap();
    let circuit = layer.handle();
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(|_: Request<()>| pending::<Result<Response<()>, Infallible>>());
    let mut hang = async |waited: Duration| {
        let mut request = Request::new(());
        let deadline = Deadline::after(Instant::now(), secs(1));
        deadline.tighten(request.extensions_mut());
        let mut call = Box::pin(service.ready().await.unwrap().call(request));
        assert!(poll!(&mut call).is_pending());
        advance(waited).await;
    };

    for _ in 0..20 {
        hang(millis(999)).await;
    }
    assert_eq!(circuit.state(), State::Closed);
    for _ in 0..5 {
        hang(secs(1)).await;
    }
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_can_be_read_from_any_request() {
    struct Query {
        until: Instant,
    }

    let layer = consecutive(1)
        .deadline(|query: &Query| Some(Deadline::at(query.until)))
        .build()
        .unwrap();
    let circuit = layer.handle();
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(|_: Query| pending::<Result<(), Infallible>>());
    let until = Instant::now() + secs(1);
    let call = service.ready().await.unwrap().call(Query { until });
    assert!(timeout(secs(1), call).await.is_err());
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_dropped_after_its_deadline_opens_it_again() {
    let (mut service, circuit) = guarded(consecutive(1).open_for(secs(1)));
    drop(service.ready().await.unwrap().call(Do::Fail).await);
    advance(secs(1)).await;
    let probe = service.ready().await.unwrap().call(Do::Hang);
    assert!(timeout(secs(11), probe).await.is_err());
    assert_eq!(circuit.state(), State::Open);
}
