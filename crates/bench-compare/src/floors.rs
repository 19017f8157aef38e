//! The least that a layer of a kind can cost: prototypes that do the unavoidable and nothing else.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;
use tower_service::Service;

/// Sends each request's body on in another type, as a layer must that may send it again, and has an
/// error of its own. Knows nothing about either.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RewrapRequest<S>(pub(crate) S);

/// A body, and nothing about it.
#[derive(Debug)]
pub(crate) struct Wrapped<B>(B);

/// The future of [`RewrapRequest`].
#[derive(Debug)]
pub(crate) struct Rewrapping<F>(F);

impl<S, B> Service<Request<B>> for RewrapRequest<S>
where
    S: Service<Request<Wrapped<B>>, Error = Infallible, Future: Unpin>,
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
        Rewrapping(self.0.call(request.map(Wrapped)))
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

impl<B: Body<Data = Bytes> + Unpin> Body for Wrapped<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
