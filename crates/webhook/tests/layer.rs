//! Behaviour of `WebhookVerifyLayer`: what is read, what is answered, what is handed on.

mod common;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use buttress_body::Collected;
use buttress_event::{EventId, Verified};
use buttress_webhook::{Refused, WebhookVerifyLayer, github, standard_webhooks, stripe};
use bytes::Bytes;
use common::{layer, now, send, signed, signed_with};
use http::{HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

const BODY: &str = r#"{"id":"evt_1"}"#;

fn github_layer() -> WebhookVerifyLayer<buttress_webhook::Fixed<buttress_webhook::HmacScheme>> {
    layer(github("secret").unwrap())
}

#[tokio::test]
async fn a_genuine_delivery_reaches_the_handler_with_its_receipt_and_exact_bytes() {
    let scheme = stripe("secret").unwrap();
    let request = signed(&scheme, BODY);
    let outcome = send(&layer(scheme), request).await;
    assert_eq!(outcome.status, 204);
    let (verified, body) = outcome.handled.unwrap();
    assert_eq!(body, BODY);
    assert_eq!(verified.source().as_str(), "stripe");
    assert_eq!(verified.event_id(), &EventId::signed("evt_1"));
    assert_eq!(verified.timestamp(), Some(now()));
    assert_eq!(verified.secret_index(), Some(0));
    assert_eq!(verified.tenant(), None);
}

#[tokio::test]
async fn whatever_is_wrong_is_the_same_401_byte_for_byte() {
    let scheme = || stripe("secret").unwrap();
    let late = WebhookVerifyLayer::new(scheme()).clock(|| now() + Duration::from_secs(301));
    let early = WebhookVerifyLayer::new(scheme()).clock(|| now() - Duration::from_secs(301));
    let absent = Request::post("/hook")
        .body(Full::<Bytes>::from(BODY))
        .unwrap();
    let mut garbage = signed(&scheme(), BODY);
    garbage
        .headers_mut()
        .insert("stripe-signature", HeaderValue::from_static("t=x"));
    let mut other = signed(&scheme(), BODY);
    *other.body_mut() = Full::from("{}");

    let outcomes = [
        send(&layer(scheme()), absent).await,
        send(&layer(scheme()), garbage).await,
        send(&layer(scheme()), other).await,
        send(&layer(stripe("another").unwrap()), signed(&scheme(), BODY)).await,
        send(&late, signed(&scheme(), BODY)).await,
        send(&early, signed(&scheme(), BODY)).await,
    ];
    for outcome in &outcomes {
        assert_eq!(outcome.status, 401);
        assert!(outcome.handled.is_none());
        assert_eq!(outcome.headers, outcomes[0].headers);
        assert_eq!(outcome.body, outcomes[0].body);
    }
    assert_eq!(
        outcomes[0].headers["content-type"],
        "application/problem+json"
    );
    assert_eq!(
        outcomes[0].body,
        r#"{"status":401,"title":"Unauthorized","type":"about:blank"}"#
    );
}

#[tokio::test]
async fn equal_lines_of_a_header_count_once_and_different_ones_not_at_all() {
    let scheme = github("secret").unwrap();
    let mut request = signed(&scheme, BODY);
    let line = request.headers()["x-hub-signature-256"].clone();
    request.headers_mut().append("x-hub-signature-256", line);
    assert_eq!(send(&github_layer(), request).await.status, 204);

    let mut request = signed(&scheme, BODY);
    let other = HeaderValue::from_static("sha256=00");
    request.headers_mut().append("x-hub-signature-256", other);
    assert_eq!(send(&github_layer(), request).await.status, 401);
}

#[tokio::test]
async fn any_of_four_secrets_fits_and_its_place_is_told() {
    let secrets = ["one", "two", "three", "four"];
    for (index, secret) in secrets.into_iter().enumerate() {
        let request = signed(&github(secret).unwrap(), BODY);
        let outcome = send(&layer(github(secrets).unwrap()), request).await;
        let (verified, _) = outcome.handled.unwrap();
        assert_eq!(verified.secret_index(), Some(index));
    }
    let request = signed(&github("five").unwrap(), BODY);
    assert_eq!(
        send(&layer(github(secrets).unwrap()), request).await.status,
        401
    );
}

#[tokio::test]
async fn a_body_of_one_frame_is_handed_on_without_a_copy() {
    let scheme = github("secret").unwrap();
    let bytes = Bytes::from(BODY.repeat(1000));
    let request = signed(&scheme, std::str::from_utf8(&bytes).unwrap());
    let request = request.map(|_| Full::new(bytes.clone()));
    let outcome = send(&github_layer(), request).await;
    let (_, body) = outcome.handled.unwrap();
    assert_eq!(body.as_ptr(), bytes.as_ptr());
}

#[tokio::test]
async fn pieces_of_any_size_are_joined_exactly() {
    let scheme = github("secret").unwrap();
    let text = BODY.repeat(100);
    for size in [1, 2, 3, 64, 1399] {
        let pieces = text.as_bytes().chunks(size).map(Bytes::copy_from_slice);
        let frames: Vec<_> = pieces
            .map(|piece| Ok::<_, Infallible>(Frame::data(piece)))
            .collect();
        let request = signed(&scheme, &text);
        let request = request.map(|_| StreamBody::new(futures_util::stream::iter(frames)));
        let outcome = send(&github_layer(), request).await;
        assert_eq!(outcome.handled.unwrap().1, text, "pieces of {size}");
    }
}

#[tokio::test]
async fn trailers_are_handed_on() {
    let scheme = github("secret").unwrap();
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    let request = signed(&scheme, BODY);
    let request = request.map(|body| body.with_trailers(std::future::ready(Some(Ok(trailers)))));
    let handler = tower::service_fn(|request: Request<Collected>| async move {
        let collected = request.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["x-checksum"], "1");
        assert_eq!(collected.to_bytes(), BODY);
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let response = github_layer()
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_body_at_the_cap_passes_and_one_byte_more_is_413() {
    let scheme = || github("secret").unwrap().cap(BODY.len());
    let request = signed(&scheme(), BODY);
    assert_eq!(send(&layer(scheme()), request).await.status, 204);

    let longer = format!("{BODY} ");
    let declared = signed(&scheme(), &longer);
    assert_eq!(send(&layer(scheme()), declared).await.status, 413);

    // Nothing announces the length of this one.
    let frames = longer
        .bytes()
        .map(|byte| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![byte]))));
    let frames: Vec<_> = frames.collect();
    let streamed = signed(&scheme(), &longer);
    let streamed = streamed.map(|_| StreamBody::new(futures_util::stream::iter(frames)));
    assert_eq!(send(&layer(scheme()), streamed).await.status, 413);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_read() {
    struct Unread;
    impl http_body::Body for Unread {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("read")
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(u64::MAX)
        }
    }
    let request = Request::post("/").body(Unread).unwrap();
    assert_eq!(send(&github_layer(), request).await.status, 413);
}

#[tokio::test]
async fn a_delivery_without_its_signature_is_refused_before_its_body_is_read() {
    let (_sender, body) = Channel::<Bytes, Infallible>::new(1);
    let request = Request::post("/").body(body).unwrap();
    // The body never ends; the answer comes all the same.
    assert_eq!(send(&github_layer(), request).await.status, 401);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let scheme = github("secret").unwrap();
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"{"))),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    let request = signed(&scheme, BODY);
    let request = request.map(|_| StreamBody::new(futures_util::stream::iter(frames)));
    let outcome = send(&github_layer(), request).await;
    assert_eq!(outcome.status, 400);
    assert!(outcome.handled.is_none());
}

#[tokio::test]
async fn empty_bodies_are_as_good_as_their_senders_say() {
    let scheme = standard_webhooks("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
    let request = Request::post("/").header("webhook-id", "msg_1");
    let request = signed_with(&scheme, request, "");
    assert_eq!(send(&layer(scheme), request).await.status, 204);

    let request = signed(&stripe("secret").unwrap(), "");
    assert_eq!(
        send(&layer(stripe("secret").unwrap()), request)
            .await
            .status,
        401
    );

    let request = Request::post("/").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(send(&github_layer(), request).await.status, 401);
}

#[tokio::test]
async fn the_body_is_hashed_while_it_arrives() {
    let calls = common::Calls::default();
    let scheme = Spy(calls.clone());
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
    let (service, _server) = mock::pair::<Request<Collected>, Response<String>>();
    let mut verify = layer(scheme).layer(service);
    let request = Request::post("/").body(body).unwrap();
    let mut call = task::spawn(verify.call(request));
    assert_pending!(call.poll());

    sender.send_data(Bytes::from_static(b"a")).await.unwrap();
    assert_pending!(call.poll());
    assert_eq!(calls.count(), 1);
    sender.send_data(Bytes::from_static(b"b")).await.unwrap();
    assert_pending!(call.poll());
    assert_eq!(calls.count(), 2);
}

/// Counts the pieces it sees.
struct Spy(common::Calls);

impl buttress_webhook::Scheme for Spy {
    type Progress = ();
    type Finish = std::future::Ready<Result<buttress_webhook::Verdict, Refused>>;

    fn facts(&self) -> &buttress_webhook::Facts {
        static FACTS: std::sync::LazyLock<buttress_webhook::Facts> =
            std::sync::LazyLock::new(|| {
                buttress_webhook::Facts::new(buttress_event::Source::from_static("spy"))
            });
        &FACTS
    }

    fn begin(&self, _: &http::request::Parts) -> Result<(), Refused> {
        Ok(())
    }

    fn update(&self, (): &mut (), _: &[u8]) {
        self.0.add();
    }

    fn finish(&self, (): (), _: &buttress_webhook::Delivery<'_>) -> Self::Finish {
        let receipt = self.facts().receipt();
        std::future::ready(Ok(buttress_webhook::Verdict::Verified(receipt)))
    }
}

#[tokio::test]
async fn the_readied_instance_is_called_and_refusals_never_reach_it() {
    let scheme = github("secret").unwrap();
    let (inner, mut server) = mock::pair::<Request<Collected>, Response<String>>();
    let mut verify = github_layer().layer(inner);
    server.allow(1);
    ServiceExt::<Request<Full<Bytes>>>::ready(&mut verify)
        .await
        .unwrap();
    let response = verify.call(signed(&scheme, BODY));
    let mut response = task::spawn(response);
    assert_pending!(response.poll());
    let (request, answer) = pin!(server.next_request()).await.unwrap();
    assert!(Verified::of(request.extensions()).is_some());
    answer.send_response(Response::new("done".to_owned()));
    assert_eq!(assert_ready_ok!(response.poll()).status(), 200);

    server.allow(1);
    ServiceExt::<Request<Full<Bytes>>>::ready(&mut verify)
        .await
        .unwrap();
    let forged = Request::post("/").body(Full::<Bytes>::from(BODY)).unwrap();
    let response = verify.call(forged).await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.body().is_own());
    let mut next = task::spawn(server.next_request());
    assert_pending!(next.poll());
}

#[tokio::test]
async fn the_inner_services_error_passes_through_as_it_is() {
    #[derive(Debug, PartialEq)]
    struct Mine;
    let scheme = github("secret").unwrap();
    let handler =
        tower::service_fn(|_: Request<Collected>| async { Err::<Response<String>, _>(Mine) });
    let service = github_layer().layer(handler);
    let error: Mine = service
        .clone()
        .oneshot(signed(&scheme, BODY))
        .await
        .unwrap_err();
    assert_eq!(error, Mine);
    let forged = Request::post("/").body(Full::<Bytes>::from(BODY)).unwrap();
    assert_eq!(service.oneshot(forged).await.unwrap().status(), 401);
}

#[tokio::test]
async fn what_a_request_carries_besides_the_body_is_handed_on() {
    let scheme = github("secret").unwrap();
    let mut request = signed_with(&scheme, Request::post("/hook?x=1").header("x-a", "b"), BODY);
    request.extensions_mut().insert(17_u32);
    let handler = tower::service_fn(|request: Request<Collected>| async move {
        assert_eq!(request.uri(), "/hook?x=1");
        assert_eq!(request.headers()["x-a"], "b");
        assert_eq!(request.extensions().get::<u32>(), Some(&17));
        assert_eq!(request.body().size_hint().exact(), Some(BODY.len() as u64));
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let response = github_layer()
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[test]
fn nothing_that_is_shown_contains_a_secret() {
    let scheme = github("hunter2").unwrap();
    let secrets = buttress_webhook::Secrets::from("hunter2");
    let layer = WebhookVerifyLayer::new(github("hunter2").unwrap());
    for shown in [
        format!("{scheme:?}"),
        format!("{secrets:?}"),
        format!("{layer:?}"),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let error = standard_webhooks("hunter2").unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
}
