//! Readiness: whose it is, when it is asked for, and what its failure means.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use buttress_circuit_breaker::{Open, State};
use buttress_classify::find;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_test::mock;

use crate::peer::{Do, calls, consecutive, peer, secs};

/// Its readiness fails.
#[derive(Clone, Debug)]
pub(crate) struct Broken;

impl<Req> Service<Req> for Broken {
    type Response = ();
    type Error = io::Error;
    type Future = Ready<Result<(), io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("no connection")))
    }

    fn call(&mut self, _: Req) -> Self::Future {
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_readiness_is_a_failure_and_is_passed_on() {
    let layer = consecutive(3).build().unwrap();
    let circuit = layer.handle();
    let mut service = ServiceBuilder::new().layer(layer).service(Broken);
    for _ in 0..3 {
        assert_eq!(circuit.state(), State::Closed);
        let error = ServiceExt::<()>::ready(&mut service).await.unwrap_err();
        assert_eq!(error.to_string(), "no connection");
    }
    assert_eq!(circuit.state(), State::Open);
    let error = ServiceExt::<()>::ready(&mut service).await.unwrap();
    let error = Service::call(error, ()).await.unwrap_err();
    assert!(find::<Open>(&*error).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_closed_circuit_is_ready_when_the_inner_service_is() {
    let layer = consecutive(1).build().unwrap();
    let (mut service, mut server) = mock::spawn_layer::<&str, &str, _>(layer);
    server.allow(0);
    assert_pending!(service.poll_ready());
    server.allow(1);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_ready_without_asking_the_inner_service() {
    let layer = consecutive(1).build().unwrap();
    let circuit = layer.handle();
    let (mut service, mut server) = mock::spawn_layer::<&str, &str, _>(layer);
    server.allow(0);
    circuit.force_open();
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("refused"));
    let error = assert_ready_err!(call.poll());
    assert!(find::<Open>(&*error).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_readiness_hears_that_the_circuit_opened() {
    let layer = consecutive(1).build().unwrap();
    let circuit = layer.handle();
    let (mut service, mut server) = mock::spawn_layer::<&str, &str, _>(layer);
    server.allow(0);
    assert_pending!(service.poll_ready());
    assert_pending!(service.poll_ready());
    assert!(!service.is_woken());

    circuit.force_open();
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn a_probe_waits_for_the_inner_readiness_in_its_future() {
    let layer = consecutive(1).open_for(secs(1)).build().unwrap();
    let circuit = layer.handle();
    let (mut service, mut server) = mock::spawn_layer::<&str, &str, _>(layer);
    server.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("first"));
    let (_, answer) = assert_ready!(task::spawn(server.next_request()).poll()).unwrap();
    answer.send_error("down");
    assert_ready_err!(call.poll());
    assert_eq!(circuit.state(), State::Open);

    tokio::time::advance(secs(1)).await;
    assert_ready_ok!(service.poll_ready());
    let mut probe = task::spawn(service.call("probe"));
    assert_pending!(
        probe.poll(),
        "no request is sent to a service that is not ready"
    );
    server.allow(1);
    assert!(probe.is_woken());
    assert_pending!(probe.poll());
    let (request, answer) = assert_ready!(task::spawn(server.next_request()).poll()).unwrap();
    assert_eq!(request, "probe");
    answer.send_response("up");
    assert_eq!(assert_ready_ok!(probe.poll()), "up");
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_back_what_the_inner_service_set_aside_for_it() {
    let layer = consecutive(1).build().unwrap();
    let circuit = layer.handle();
    let limited = ConcurrencyLimitLayer::new(1).layer(peer());
    let mut other = limited.clone();
    let mut service = layer.layer(limited);

    let service = service.ready().await.unwrap();
    circuit.force_open();
    assert!(service.call(Do::Succeed).await.is_err());
    calls(&mut other, Do::Succeed, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_inner_service_is_not_ready_fails() {
    let layer = consecutive(1).open_for(secs(1)).build().unwrap();
    let circuit = layer.handle();
    let mut service = layer.layer(Broken);
    assert!(ServiceExt::<()>::ready(&mut service).await.is_err());
    tokio::time::advance(secs(1)).await;
    let service = ServiceExt::<()>::ready(&mut service).await.unwrap();
    let error = Service::call(service, ()).await.unwrap_err();
    assert_eq!(error.to_string(), "no connection");
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().retry_after, Some(secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_probe_dropped_when_it_has_waited_too_long_for_readiness_fails() {
    let layer = consecutive(1).open_for(secs(1)).build().unwrap();
    let circuit = layer.handle();
    let (mut service, mut server) = mock::spawn_layer::<&str, &str, _>(layer);
    server.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("first"));
    let (_, answer) = assert_ready!(task::spawn(server.next_request()).poll()).unwrap();
    answer.send_error("down");
    assert_ready_err!(call.poll());
    for (waited, expected) in [(10, State::HalfOpen), (11, State::Open)] {
        tokio::time::advance(secs(1)).await;
        assert_ready_ok!(service.poll_ready());
        let mut probe = task::spawn(service.call("probe"));
        assert_pending!(probe.poll());
        tokio::time::advance(secs(waited)).await;
        drop(probe);
        assert_eq!(circuit.state(), expected);
    }
}
