use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_body::Answer;
use buttress_classify::BoxError;
use http::Response;
use pin_project_lite::pin_project;

use crate::table::Table;

pin_project! {
    /// The future of a call through [`AnswerProblems`](crate::AnswerProblems).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
        table: Arc<Table>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        // The inner service works on it.
        Called { #[pin] response: F },
        // The inner service was not ready; nothing remains once that is told.
        Unready { error: Option<BoxError> },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) const fn called(response: F, table: Arc<Table>) -> Self {
        Self {
            state: State::Called { response },
            table,
        }
    }

    pub(crate) const fn unready(error: BoxError, table: Arc<Table>) -> Self {
        Self {
            state: State::Unready { error: Some(error) },
            table,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<Answer<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let error = match this.state.project() {
            StateProj::Called { response } => match ready!(response.poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response.map(Answer::inner))),
                Err(error) => error.into(),
            },
            StateProj::Unready { error } => match error.take() {
                Some(error) => error,
                None => return Poll::Pending,
            },
        };
        Poll::Ready(Ok(this.table.answer(error)))
    }
}
