//! The least that a layer of a kind can cost: prototypes that do the unavoidable and nothing else.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;
use tower_service::Service;

/// Sends each request's body on in another type, as a layer must that may send it again, and has an
/// error of its own. Knows nothing about either.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RewrapRequest<S>(pub(crate) S);

/// A body that is passed on, or what was kept of one that can be sent again: a layer that retries has
/// one type for both.
#[derive(Clone, Debug)]
pub(crate) enum Kept<B> {
    /// The body itself.
    Live(B),
    /// All of it, until it is taken.
    Whole(Option<Bytes>),
}

/// The future of [`RewrapRequest`].
#[derive(Debug)]
pub(crate) struct Rewrapping<F>(F);

impl<S, B> Service<Request<B>> for RewrapRequest<S>
where
    S: Service<Request<Kept<B>>, Error = Infallible, Future: Unpin>,
    B: Body,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Rewrapping<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        Rewrapping(self.0.call(request.map(Kept::once)))
    }
}

impl<F, T> Future for Rewrapping<F>
where
    F: Future<Output = Result<T, Infallible>> + Unpin,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(Into::into)
    }
}

/// Does what [`RewrapRequest`] does, tells a success by its status, and counts it for all its clones.
#[derive(Clone, Debug)]
pub(crate) struct JudgeResponse<S> {
    inner: S,
    successes: Arc<AtomicU32>,
}

/// The future of [`JudgeResponse`].
#[derive(Debug)]
pub(crate) struct Judging<F> {
    response: F,
    successes: Arc<AtomicU32>,
}

impl<S> JudgeResponse<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            successes: Arc::default(),
        }
    }
}

impl<S, B, RB> Service<Request<B>> for JudgeResponse<S>
where
    S: Service<Request<Kept<B>>, Response = Response<RB>, Error = Infallible, Future: Unpin>,
    B: Body,
{
    type Response = Response<RB>;
    type Error = BoxError;
    type Future = Judging<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        Judging::new(self.inner.call(request.map(Kept::once)), &self.successes)
    }
}

impl<F> Judging<F> {
    pub(crate) fn new(response: F, successes: &Arc<AtomicU32>) -> Self {
        Self {
            response,
            successes: Arc::clone(successes),
        }
    }
}

impl<F, RB, E> Future for Judging<F>
where
    F: Future<Output = Result<Response<RB>, E>> + Unpin,
    E: Into<BoxError>,
{
    type Output = Result<Response<RB>, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match Pin::new(&mut this.response).poll(cx) {
            Poll::Ready(Ok(response)) => {
                if response.status().as_u16() < 400 {
                    this.successes.fetch_add(1, Ordering::Relaxed);
                    Poll::Ready(Ok(response))
                } else {
                    rejected(response)
                }
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Where a layer would go on, with this outcome or with a later one.
#[inline(never)]
fn rejected<RB>(response: Response<RB>) -> Poll<Result<Response<RB>, BoxError>> {
    match response.status().as_u16() {
        503 => Poll::Pending,
        500 => Poll::Ready(Err("rejected".into())),
        _ => Poll::Ready(Ok(response)),
    }
}

impl<B: Body> Kept<B> {
    /// Nothing can be sent any number of times; anything else once.
    #[inline]
    pub(crate) fn once(body: B) -> Self {
        if body.is_end_stream() {
            Self::Whole(None)
        } else {
            Self::Live(body)
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Kept<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut *self {
            Self::Live(body) => Pin::new(body).poll_frame(cx),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Live(body) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Live(body) => body.size_hint(),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
