//! What the tests share: an inner service that gives back what it was sent, and a wall clock.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buttress_classify::{BoxError, Class, Health, Opinion, Sent, find};
use buttress_idempotency::{
    IdempotencyKeyLayer, KeyRefused, Outbound, OutboundKey, Peeked, Refusal,
};
use buttress_key::{DerivationSecret, IdempotencyKey};
use bytes::Bytes;
use http::{Method, Request};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

pub(crate) type Req = Request<Full<Bytes>>;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const HEADER: &str = "idempotency-key";

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

pub(crate) fn secret() -> DerivationSecret {
    DerivationSecret::new([7; 32]).unwrap()
}

pub(crate) fn post(body: &'static str) -> Req {
    request(Method::POST, "https://api.example/v1/charges", body)
}

pub(crate) fn request(method: Method, uri: &'static str, body: &'static str) -> Req {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap()
}

pub(crate) fn owned(text: &str) -> OutboundKey {
    OutboundKey::new(key(text), SystemTime::now())
}

pub(crate) fn with<B>(mut request: Request<B>, key: OutboundKey) -> Request<B> {
    request.extensions_mut().insert(key);
    request
}

pub(crate) fn with_header<B>(mut request: Request<B>, value: &'static str) -> Request<B> {
    request.headers_mut().append(HEADER, value.parse().unwrap());
    request
}

/// The request as it goes out, or why it does not.
pub(crate) async fn send<B: Body + Unpin>(
    layer: &IdempotencyKeyLayer<Outbound>,
    request: Request<B>,
) -> Result<Request<Peeked<B>>, BoxError> {
    layer.layer(service_fn(echo::<B>)).oneshot(request).await
}

fn echo<B: Body>(request: Request<Peeked<B>>) -> Ready<Result<Request<Peeked<B>>, Infallible>> {
    ready(Ok(request))
}

/// The key header of the request as it goes out.
pub(crate) async fn sent_key(layer: &IdempotencyKeyLayer<Outbound>, request: Req) -> String {
    let sent = send(layer, request).await.unwrap();
    assert_eq!(sent.headers().get_all(HEADER).iter().count(), 1);
    let value = &sent.headers()[HEADER];
    assert!(value.is_sensitive());
    value.to_str().unwrap().to_owned()
}

/// Why the request does not go out; whatever the reason, it is unsent, final and nobody's fault.
pub(crate) async fn refusal<B: Body + Unpin>(
    layer: &IdempotencyKeyLayer<Outbound>,
    request: Request<B>,
) -> Refusal {
    let error = send(layer, request).await.unwrap_err();
    let verdict = find::<Opinion>(&*error).unwrap().verdict;
    assert_eq!(verdict.class, Class::Permanent);
    assert_eq!(verdict.sent, Sent::No);
    assert_eq!(verdict.health, Health::Neutral);
    let refused = find::<KeyRefused>(&*error).unwrap();
    assert_eq!(verdict.reason, refused.refusal().as_str());
    refused.refusal()
}

/// A wall clock that stands where it is put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn set(&self, since_epoch: Duration) {
        self.0.store(
            u64::try_from(since_epoch.as_nanos()).unwrap(),
            Ordering::SeqCst,
        );
    }

    pub(crate) fn read(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn reader(&self) -> impl Fn() -> SystemTime + Send + Sync + use<> {
        let clock = self.clone();
        move || clock.read()
    }
}
