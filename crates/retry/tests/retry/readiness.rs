//! Every further attempt asks the inner service whether it is ready.

use std::time::Duration;

use buttress_backoff::Backoff;
use buttress_body::ReplayBody;
use buttress_classify::{Opinion, Sent, Verdict};
use buttress_retry::{Attempts, Exhausted, Outcome, Reason, RetryLayer};
use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower_test::mock;

use crate::peer::{Body, get, post};

type Mock = mock::Mock<Request<ReplayBody<Body>>, Response<Body>>;
type Handle = mock::Handle<Request<ReplayBody<Body>>, Response<Body>>;

fn spawn() -> (
    mock::Spawn<buttress_retry::Retry<Mock, buttress_classify::HttpClassifier>>,
    Handle,
) {
    mock::spawn_layer(RetryLayer::new().backoff(Backoff::constant(Duration::ZERO)))
}

fn fail(handle: &mut Handle, status: u16) {
    let (_request, send) = received(handle);
    let mut response = Response::new(Body::default());
    *response.status_mut() = status.try_into().unwrap();
    send.send_response(response);
}

fn received(
    handle: &mut Handle,
) -> (
    Request<ReplayBody<Body>>,
    mock::SendResponse<Response<Body>>,
) {
    assert_ready!(handle.poll_request()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn a_resend_waits_until_the_inner_service_is_ready_again() {
    let (mut service, mut handle) = spawn();
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(get()));
    fail(&mut handle, 503);

    assert_pending!(call.poll());
    assert_pending!(handle.poll_request());

    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    fail(&mut handle, 200);
    let response = assert_ready_ok!(call.poll());
    let story = response.extensions().get::<Attempts>().unwrap();
    assert_eq!((story.count.get(), story.stopped), (2, Reason::Success));
}

#[tokio::test(start_paused = true)]
async fn the_caller_waits_for_readiness_before_the_first_attempt() {
    let (mut service, mut handle) = spawn();
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_ends_an_attempt_that_was_not_sent() {
    let (mut service, mut handle) = spawn();
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(post()));
    let (_request, send) = received(&mut handle);
    send.send_error(Opinion::new(Verdict::transient("connect").unsent()));
    assert_pending!(call.poll());

    // Maybe sent, says the error; but this attempt never got as far as being sent.
    handle.send_error(Opinion::new(Verdict::transient("reset")));
    assert_pending!(call.poll());
    handle.send_error(Opinion::new(Verdict::transient("reset")));
    let error = assert_ready_err!(call.poll());
    let attempts = error.downcast_ref::<Exhausted>().unwrap().attempts();
    assert_eq!(attempts.sent, Sent::No);
    assert_eq!(attempts.outcome, Outcome::NotExecuted);
    assert_eq!(attempts.count.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_before_the_first_attempt_is_the_callers() {
    let (mut service, mut handle) = spawn();
    handle.send_error(Opinion::new(Verdict::permanent("closed")));
    assert_ready_err!(service.poll_ready());
}
