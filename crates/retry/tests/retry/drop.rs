//! A caller that goes away, at each stage of a call.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_body::ReplayBody;
use buttress_retry::{Budget, RetryLayer};
use http::{Request, Response};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, ServiceExt, service_fn};
use tower_test::mock;

use crate::peer::{Body, Peer, get, status};

const SECOND: Duration = Duration::from_secs(1);

fn exact() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::constant(SECOND).jitter(Jitter::None))
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_during_an_attempt_drops_the_attempt() {
    let alive = Arc::new(());
    let inner = {
        let alive = Arc::clone(&alive);
        service_fn(move |_: Request<ReplayBody<Body>>| {
            let held = Arc::clone(&alive);
            async move {
                let answer = pending::<Result<Response<Body>, Infallible>>().await;
                drop(held);
                answer
            }
        })
    };
    let mut call = task::spawn(exact().layer(inner).oneshot(get()));
    assert_pending!(call.poll());
    let running = Arc::strong_count(&alive);
    drop(call);
    assert!(Arc::strong_count(&alive) < running);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_during_the_backoff_makes_no_further_attempt() {
    let peer = Peer::new([status(503)]);
    let budget = Budget::new(0, 1);
    let layer = exact().budget(budget.clone());
    let mut call = task::spawn(layer.layer(peer.clone()).oneshot(get()));
    assert_pending!(call.poll());
    assert_eq!(budget.balance(Instant::now()), Some(9), "paid when decided");

    drop(call);
    advance(SECOND * 2).await;
    assert_eq!(peer.calls(), 1);
    assert_eq!(budget.balance(Instant::now()), Some(9), "and not paid back");
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_waits_for_readiness_leaves_it_to_others() {
    let (mut service, mut handle) = mock::spawn_layer(exact());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(get()));
    let (_request, send) = handle.next_request().await.unwrap();
    let mut rejected = Response::new(Body::default());
    *rejected.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    send.send_response(rejected);
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert_pending!(call.poll());
    drop(call);

    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut other = task::spawn(service.call(get()));
    let (_request, send) = handle.next_request().await.unwrap();
    send.send_response(Response::new(Body::default()));
    assert_ready_ok!(other.poll());
}
