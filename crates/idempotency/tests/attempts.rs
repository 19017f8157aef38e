//! One key for all attempts, poll by poll and over `tower::retry`.

mod common;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use buttress_classify::find;
use buttress_idempotency::{IdempotencyKeyLayer, KeyRefused, Peeked, Refusal};
use buttress_key::Profile;
use bytes::Bytes;
use common::{HEADER, owned, post, request, secret, with};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{ServiceBuilder, ServiceExt, retry::Policy, service_fn};
use tower_test::mock;

type Out = Request<Peeked<Full<Bytes>>>;

/// Repeats a request this often while it is answered 503.
#[derive(Clone, Copy, Debug)]
struct Repeat(usize);

impl Policy<Out, Response<()>, Infallible> for Repeat {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Out,
        outcome: &mut Result<Response<()>, Infallible>,
    ) -> Option<Ready<()>> {
        let failed = outcome
            .as_ref()
            .is_ok_and(|response| response.status() == 503);
        self.0 = self.0.checked_sub(1)?;
        failed.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Out) -> Option<Out> {
        Some(request.clone())
    }
}

/// The keys that five attempts of one request show a server that always answers 503.
async fn keys_of_five_attempts(
    layer: IdempotencyKeyLayer<buttress_idempotency::Outbound>,
    request: Request<Full<Bytes>>,
) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Out| {
            let key = request.headers()[HEADER].to_str().unwrap().to_owned();
            seen.lock().unwrap().push(key);
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            ready(Ok::<_, Infallible>(response))
        })
    };
    let stack = ServiceBuilder::new()
        .layer(layer)
        .retry(Repeat(4))
        .service(server);
    assert_eq!(stack.oneshot(request).await.unwrap().status(), 503);
    std::mem::take(&mut *seen.lock().unwrap())
}

#[tokio::test]
async fn five_attempts_carry_one_key_whatever_its_source() {
    let stripe = || IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let derived = stripe().derive(secret(), "shop", |_| {
        Some(buttress_idempotency::Operation::new("charge", "17"))
    });
    for (layer, request) in [
        (stripe().random(), post("a=1")),
        (derived, post("a=1")),
        (stripe(), with(post("a=1"), owned("order-17"))),
    ] {
        let keys = keys_of_five_attempts(layer, request).await;
        assert_eq!(keys.len(), 5);
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

#[tokio::test]
async fn readiness_is_the_inner_services_and_a_refusal_leaves_it_unasked() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let (mut service, mut server) = mock::spawn_layer::<Out, Response<()>, _>(layer);
    server.allow(0);
    assert_pending!(service.poll_ready());
    server.allow(2);
    assert_ready_ok!(service.poll_ready());

    let mut refused = task::spawn(service.call(post("a=1")));
    let error = assert_ready_err!(refused.poll());
    assert_eq!(
        find::<KeyRefused>(&*error).unwrap().refusal(),
        Refusal::Missing
    );
    let mut next = task::spawn(async { server.next_request().await });
    assert_pending!(next.poll());
    drop(next);

    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(with(post("a=1"), owned("k"))));
    assert_pending!(call.poll());
    let (sent, answer) = server.next_request().await.unwrap();
    assert_eq!(sent.headers()[HEADER], "k");
    answer.send_response(Response::new(()));
    assert_ready_ok!(call.poll());
}

#[tokio::test]
async fn errors_of_the_inner_service_pass_as_they_are() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let broken = service_fn(|_: Out| ready(Err::<(), _>(std::io::Error::other("down"))));
    let service = ServiceBuilder::new().layer(layer).service(broken);
    let error = service
        .oneshot(request(Method::GET, "/", ""))
        .await
        .unwrap_err();
    assert_eq!(
        error.downcast_ref::<std::io::Error>().unwrap().to_string(),
        "down"
    );
}
