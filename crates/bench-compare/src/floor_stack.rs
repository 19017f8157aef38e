//! The least that a whole stack can be: five services, each with what it must do and no settings.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task::{Context, Poll};
use std::time::Duration;

use buttress_key::{IdempotencyKey, Profile};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower::BoxError;
use tower_service::Service;

use crate::driver::{Req, bare};
use crate::floor_bound::Bound;
use crate::floors::{Judging, Kept};

/// Key, operation limit, retry, breaker and attempt limit around the bare service.
pub(crate) fn stack() -> impl Service<Req, Response = impl Sized, Error = BoxError> {
    let limit = Duration::from_secs(30);
    let attempt = Bound::new(bare(), limit);
    let again = Again::new(Judge::new(attempt));
    Key {
        inner: Bound::new(again, limit),
        profile: Profile::stripe_v1(),
    }
}

/// Writes a key, and gives the body another type, for it may have to look at it.
#[derive(Clone, Debug)]
struct Key<S> {
    inner: S,
    profile: Profile,
}

impl<S, B> Service<Request<B>> for Key<S>
where
    S: Service<Request<Kept<B>>, Error = BoxError>,
    B: Body,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> S::Future {
        let mut request = request.map(Kept::once);
        let key = IdempotencyKey::generate().expect("entropy");
        let name = self.profile.header().expect("a header");
        let value = self.profile.to_value(&key);
        request.headers_mut().insert(name, value);
        self.inner.call(request)
    }
}

/// Keeps a clone of request and service, tells a success by its status, and counts it.
#[derive(Clone, Debug)]
struct Again<S> {
    inner: S,
    successes: Arc<AtomicU32>,
}

/// What [`Again`] keeps beside the call: it would be sent if that failed.
#[derive(Debug)]
pub(crate) struct Keeping<S, B, F> {
    judging: Judging<F>,
    _service: S,
    _head: Parts,
    _body: B,
}

impl<S> Again<S> {
    fn new(inner: S) -> Self {
        let successes = Arc::default();
        Self { inner, successes }
    }
}

impl<S, B, RB> Service<Request<B>> for Again<S>
where
    S: Service<Request<Kept<B>>, Response = Response<RB>, Error = BoxError> + Clone + Unpin,
    S::Future: Unpin,
    B: Body + Clone + Unpin,
{
    type Response = Response<RB>;
    type Error = BoxError;
    type Future = Keeping<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let service = self.inner.clone();
        let first = Request::from_parts(head.clone(), Kept::once(body.clone()));
        let response = self.inner.call(first);
        Keeping {
            judging: Judging::new(response, &self.successes),
            _service: service,
            _head: head,
            _body: body,
        }
    }
}

impl<S: Unpin, B: Unpin, F, RB> Future for Keeping<S, B, F>
where
    F: Future<Output = Result<Response<RB>, BoxError>> + Unpin,
{
    type Output = Result<Response<RB>, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.judging).poll(cx)
    }
}

/// Lets a call through that a shared word admits, tells a success by its status, and counts it.
#[derive(Clone, Debug)]
struct Judge<S> {
    inner: S,
    successes: Arc<AtomicU32>,
}

impl<S> Judge<S> {
    fn new(inner: S) -> Self {
        let successes = Arc::default();
        Self { inner, successes }
    }
}

impl<S, B, RB> Service<Request<B>> for Judge<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = BoxError, Future: Unpin>,
{
    type Response = Response<RB>;
    type Error = BoxError;
    type Future = Judging<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        Judging::new(self.inner.call(request), &self.successes)
    }
}
