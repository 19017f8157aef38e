use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_body::Answer;
use buttress_classify::BoxError;
use http::Response;
use tower_service::Service;

use crate::ResponseFuture;
use crate::table::Table;

/// The service made by [`ProblemLayer`](crate::ProblemLayer).
#[derive(Debug)]
pub struct AnswerProblems<S> {
    inner: S,
    table: Arc<Table>,
    /// Why the inner service is not ready: the answer of the next call.
    unready: Option<BoxError>,
}

impl<S> AnswerProblems<S> {
    pub(crate) const fn new(inner: S, table: Arc<Table>) -> Self {
        Self {
            inner,
            table,
            unready: None,
        }
    }
}

impl<S: Clone> Clone for AnswerProblems<S> {
    fn clone(&self) -> Self {
        // Readiness belongs to one instance, and so does the want of it.
        Self::new(self.inner.clone(), Arc::clone(&self.table))
    }
}

impl<S, Req, B> Service<Req> for AnswerProblems<S>
where
    S: Service<Req, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    /// An error of the inner service's readiness is answered too, by the next call.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.unready.is_none() {
            self.unready = ready!(self.inner.poll_ready(cx)).err().map(Into::into);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let table = Arc::clone(&self.table);
        match self.unready.take() {
            None => ResponseFuture::called(self.inner.call(request), table),
            Some(error) => ResponseFuture::unready(error, table),
        }
    }
}
