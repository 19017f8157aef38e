use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::Recorded;

pin_project! {
    /// The future of a call through [`InboundIdempotencyKey`](crate::InboundIdempotencyKey).
    ///
    /// Dropping it ends nothing that has begun: a handler under a key runs on in a task of its own,
    /// and its answer is kept for the repeat. While the request's body is still being read nothing
    /// has begun, and nothing is left behind.
    pub struct InboundFuture<F, RB, E> {
        #[pin]
        state: State<F, RB, E>,
    }
}

type Answering<RB, E> = Pin<Box<dyn Future<Output = Result<Response<Recorded<RB>>, E>> + Send>>;

pin_project! {
    #[project = StateProj]
    enum State<F, RB, E> {
        // The layer answers by itself; nothing remains once that is given.
        Answered { response: Option<Box<Response<Recorded<RB>>>> },
        // The request has a key.
        Keyed { answering: Answering<RB, E> },
        // The request has no key, and passes.
        Passed { #[pin] response: F },
    }
}

impl<F, RB, E> InboundFuture<F, RB, E> {
    pub(crate) fn answered(response: Response<Recorded<RB>>) -> Self {
        Self {
            state: State::Answered {
                response: Some(Box::new(response)),
            },
        }
    }

    pub(crate) fn keyed(
        answering: impl Future<Output = Result<Response<Recorded<RB>>, E>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Keyed {
                answering: Box::pin(answering),
            },
        }
    }

    pub(crate) const fn passed(response: F) -> Self {
        Self {
            state: State::Passed { response },
        }
    }
}

impl<F, RB, E> Future for InboundFuture<F, RB, E>
where
    F: Future<Output = Result<Response<RB>, E>>,
{
    type Output = Result<Response<Recorded<RB>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Answered { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(*response)),
                None => Poll::Pending,
            },
            StateProj::Keyed { answering } => answering.as_mut().poll(cx),
            StateProj::Passed { response } => {
                Poll::Ready(ready!(response.poll(cx)).map(|response| response.map(Recorded::inner)))
            }
        }
    }
}

impl<F, RB, E> fmt::Debug for InboundFuture<F, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundFuture").finish_non_exhaustive()
    }
}
