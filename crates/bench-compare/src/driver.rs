//! The pinned harness: every case is the same loop around another service.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Future, Ready, poll_fn, ready};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_body::ReplayBody;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use tokio::time::Instant;
use tower::service_fn;
use tower_service::Service;

/// The request that all cases send.
pub(crate) type Req = Request<Full<Bytes>>;
/// The response that the inner service gives.
pub(crate) type Res = Response<Full<Bytes>>;

/// Where a key stands.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a POST here says.
pub(crate) const FORM_BODY: &[u8] = b"amount=100&currency=eur";

/// R0: a GET without headers.
pub(crate) fn r0() -> Req {
    Request::new(Full::default())
}

/// R4: a keyed POST with four headers and a `Full` body.
pub(crate) fn r4() -> Req {
    const ID: HeaderValue = HeaderValue::from_static("7f2c1e0a-5d0a-4f64-9b3b-0f0d7f8f3a11");

    let mut request = r3();
    request.headers_mut().insert(KEY, ID);
    request
}

/// R3: R4 before it has its key.
pub(crate) fn r3() -> Req {
    const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

    let mut request = Request::new(Full::new(Bytes::from_static(FORM_BODY)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("http://127.0.0.1:9/v1/payment_intents");
    let headers = request.headers_mut();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_static("Bearer sk_test_0123456789"),
    );
    headers.insert(CONTENT_TYPE, FORM);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// The bare service: answers at once.
pub(crate) fn bare<B>()
-> impl Service<Request<B>, Response = Res, Error = Infallible, Future = Ready<Result<Res, Infallible>>>
+ Clone {
    service_fn(|request: Request<B>| {
        drop(request);
        ready(Ok(answer()))
    })
}

/// The bare service whose future is pending once: a call that has to wait.
pub(crate) fn pending_once<B>()
-> impl Service<Request<B>, Response = Res, Error = Infallible, Future = Once> + Clone {
    service_fn(|request: Request<B>| {
        drop(request);
        Once { waited: false }
    })
}

/// The bare service behind one clone of the request: the floor of every retry.
pub(crate) fn clone_request()
-> impl Service<Req, Response = Res, Error = Infallible, Future = Ready<Result<Res, Infallible>>> + Clone
{
    service_fn(|request: Req| {
        drop(black_box(request.clone()));
        drop(request);
        ready(Ok(answer()))
    })
}

/// The bare service behind a body that is kept for another attempt.
pub(crate) fn replay_body()
-> impl Service<Req, Response = Res, Error = Infallible, Future = Ready<Result<Res, Infallible>>> + Clone
{
    service_fn(|request: Req| {
        let (head, body) = request.into_parts();
        let body = ReplayBody::new(body, 64 * 1024);
        drop(black_box(body.try_clone()));
        drop(black_box(body));
        drop(head);
        ready(Ok(answer()))
    })
}

/// The future of [`pending_once`].
#[derive(Debug)]
pub(crate) struct Once {
    waited: bool,
}

impl Future for Once {
    type Output = Result<Res, Infallible>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.waited, true) {
            Poll::Ready(Ok(answer()))
        } else {
            Poll::Pending
        }
    }
}

#[inline]
pub(crate) fn answer() -> Res {
    Response::new(Full::new(Bytes::from_static(b"ok")))
}

thread_local! {
    static ELAPSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// How long the calls of this thread's last [`drive`] took, without what stands around them.
pub(crate) fn elapsed() -> Duration {
    ELAPSED.get()
}

/// Calls `service` so many times, each time ready, called and awaited; never inlined, so that each
/// case is compiled by itself and none is folded into another.
#[inline(never)]
pub(crate) fn drive<S, Q>(mut service: S, request: fn() -> Q, calls: usize)
where
    S: Service<Q, Error: Debug>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime of this thread alone");
    let begun = Instant::now();
    runtime.block_on(tokio::task::unconstrained(async {
        for _ in 0..calls {
            call(&mut service, request()).await;
        }
    }));
    ELAPSED.set(begun.elapsed());
}

/// One call. Its future is polled again at once while it is pending: no executor is measured.
#[inline]
async fn call<S, Q>(service: &mut S, request: Q)
where
    S: Service<Q, Error: Debug>,
{
    poll_fn(|cx| service.poll_ready(cx))
        .await
        .expect("the service is ready");
    let mut response = std::pin::pin!(service.call(request));
    let response = poll_fn(|cx| {
        loop {
            if let Poll::Ready(response) = response.as_mut().poll(cx) {
                return Poll::Ready(response);
            }
        }
    });
    // As a caller does: an error is told apart, a response is used and dropped.
    drop(black_box(response.await.expect("the call succeeds")));
}
