use std::task::{Context, Poll};

use http::Response;
use http_body::Body;
use tower_service::Service;

use crate::{BoxError, Collected, ResponseFuture};

/// The service made by [`CollectLayer`](crate::CollectLayer).
#[derive(Clone, Copy, Debug)]
pub struct Collect<S> {
    inner: S,
    cap: usize,
}

impl<S> Collect<S> {
    pub(crate) const fn new(inner: S, cap: usize) -> Self {
        Self { inner, cap }
    }

    /// The service inside.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, to change.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside, alone.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Req, B> Service<Req> for Collect<S>
where
    S: Service<Req, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Collected>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(self.inner.call(request), self.cap)
    }
}
