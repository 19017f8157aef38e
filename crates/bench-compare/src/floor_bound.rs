//! The least that a time limit can be which bounds the body of a response too.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tower::BoxError;
use tower_service::Service;

/// Bounds a call and the body of its response.
#[derive(Clone, Debug)]
pub(crate) struct Bound<S> {
    inner: S,
    limit: Duration,
}

impl<S> Bound<S> {
    pub(crate) const fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

/// The future of [`Bound`]. Its timer is made for a call that has to wait.
#[derive(Debug)]
pub(crate) struct Bounding<F> {
    call: F,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// A body with a limit that is not looked at before it has to wait.
#[derive(Debug)]
pub(crate) struct Bounded<B> {
    body: B,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Bounded<B> {
    pub(crate) const fn new(body: B, limit: Duration) -> Self {
        Self {
            body,
            limit,
            timer: None,
        }
    }
}

impl<S, B, RB> Service<Request<B>> for Bound<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error: Into<BoxError>, Future: Unpin>,
{
    type Response = Response<Bounded<RB>>;
    type Error = BoxError;
    type Future = Bounding<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Bounding {
            call: self.inner.call(request),
            limit: self.limit,
            timer: None,
        }
    }
}

impl<F, RB, E> Future for Bounding<F>
where
    F: Future<Output = Result<Response<RB>, E>> + Unpin,
    E: Into<BoxError>,
{
    type Output = Result<Response<Bounded<RB>>, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let limit = self.limit;
        let Poll::Ready(result) = Pin::new(&mut self.call).poll(cx) else {
            ready!(wait(&mut self.timer, limit, cx));
            return Poll::Ready(Err("late".into()));
        };
        Poll::Ready(match result {
            Ok(response) => Ok(response.map(|body| Bounded::new(body, limit))),
            Err(error) => Err(error.into()),
        })
    }
}

#[inline(never)]
fn wait(timer: &mut Option<Pin<Box<Sleep>>>, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
    timer.as_mut().poll(cx)
}

impl<B: Body + Unpin> Body for Bounded<B>
where
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = self.limit;
        wait(&mut self.timer, limit, cx).map(|()| Some(Err("late".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
