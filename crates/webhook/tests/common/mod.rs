//! Deliveries that every test needs.
#![allow(dead_code, reason = "each test file uses some of them")]

pub(crate) mod schemes;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buttress_body::{Answer, Collected};
use buttress_event::Verified;
use buttress_webhook::{HmacScheme, WebhookVerifyLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

/// The time that counts as now.
pub(crate) const NOW: u64 = 1_790_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// What became of a delivery.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// What the handler received, if it was reached.
    pub(crate) handled: Option<(Verified, Bytes)>,
}

/// Sends a request through a layer; the handler answers 204.
pub(crate) async fn send<R, B>(layer: &WebhookVerifyLayer<R>, request: Request<B>) -> Outcome
where
    R: buttress_webhook::Resolve,
    B: http_body::Body,
{
    let seen = Arc::new(std::sync::Mutex::new(None));
    let handler = {
        let seen = Arc::clone(&seen);
        tower::service_fn(move |request: Request<Collected>| {
            let seen = Arc::clone(&seen);
            async move {
                let verified = Verified::of(request.extensions()).cloned().unwrap();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                *seen.lock().unwrap() = Some((verified, body));
                let response = Response::builder().status(204);
                Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
            }
        })
    };
    let response = layer.layer(handler).oneshot(request).await;
    let response: Response<Answer<Full<Bytes>>> = match response {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (head, body) = response.into_parts();
    let received = seen.lock().unwrap().take();
    Outcome {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
        handled: received,
    }
}

/// A request that a scheme has signed now.
pub(crate) fn signed(scheme: &HmacScheme, body: &str) -> Request<Full<Bytes>> {
    signed_with(scheme, Request::post("/hook"), body)
}

pub(crate) fn signed_with(
    scheme: &HmacScheme,
    request: http::request::Builder,
    body: &str,
) -> Request<Full<Bytes>> {
    let mut request = request.body(body.to_owned()).unwrap();
    scheme.sign(&mut request, now()).unwrap();
    request.map(|body| Full::new(Bytes::from(body)))
}

/// A layer whose clock stands still.
pub(crate) fn layer<S: buttress_webhook::Scheme>(
    scheme: S,
) -> WebhookVerifyLayer<buttress_webhook::Fixed<S>> {
    WebhookVerifyLayer::new(scheme).clock(now)
}

/// Counts calls.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

impl Calls {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
