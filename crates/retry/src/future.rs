use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_body::ReplayBody;
use buttress_classify::{BoxError, Classify};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::drain::Wait;
use crate::operation::{Next, Operation};

pin_project! {
    /// The future of a call through [`Retry`](crate::Retry).
    ///
    /// Dropped, it makes no further attempt; what was paid for a retry under way stays paid.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, C, B, RB>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        state: State<S::Future, RB>,
        operation: Operation<S, C, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, RB> {
        /// For an attempt's outcome.
        Calling { #[pin] response: F },
        /// For the backoff's end.
        Waiting { #[pin] wait: Wait<RB> },
        /// For the inner service to become ready again.
        Readying,
    }
}

impl<S, C, B, RB> ResponseFuture<S, C, B, RB>
where
    S: Service<Request<ReplayBody<B>>>,
{
    pub(crate) const fn new(response: S::Future, operation: Operation<S, C, B>) -> Self {
        Self {
            state: State::Calling { response },
            operation,
        }
    }
}

impl<S, C, B, RB> Future for ResponseFuture<S, C, B, RB>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    C: Classify<Response<RB>>,
    B: Body + Unpin,
    B::Error: Into<BoxError>,
    RB: Body,
{
    type Output = Result<Response<RB>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Calling { response } => {
                    let result = ready!(response.poll(cx));
                    this.operation.after_call(result.map_err(Into::into))
                }
                StateProjection::Waiting { wait } => {
                    ready!(wait.poll(cx));
                    this.state.set(State::Readying);
                    continue;
                }
                StateProjection::Readying => match ready!(this.operation.poll_resend(cx)) {
                    Ok(response) => {
                        this.state.set(State::Calling { response });
                        continue;
                    }
                    Err(error) => this.operation.unsent(error),
                },
            };
            match next {
                Next::Done(result) => return Poll::Ready(result),
                Next::Wait(wait) => this.state.set(State::Waiting { wait }),
            }
        }
    }
}

impl<S, C, B, RB> fmt::Debug for ResponseFuture<S, C, B, RB>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
