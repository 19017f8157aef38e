use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_body::{NotReplayable, ReplayBody};
use buttress_classify::{BoxError, Classify};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::drain::Wait;
use crate::operation::{Kept, Next, Operation};

pin_project! {
    /// The future of a call through [`Retry`](crate::Retry).
    ///
    /// Dropped, it makes no further attempt; what was paid for a retry under way stays paid.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, C, B, RB>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        operation: Operation<C>,
        // What a further attempt sends; `None` if there is none. Within `call` it would be copied
        // once more on its way in here.
        head: Option<Parts>,
        body: Option<ReplayBody<B>>,
        #[pin]
        call: Call<S, S::Future, RB>,
    }
}

pin_project! {
    /// How far the call has come. One that is made once needs no more than its response, and is
    /// let go of as fast as it is made.
    #[project = CallProjection]
    enum Call<S, F, RB> {
        Once { #[pin] response: F },
        Repeatable {
            inner: S,
            #[pin]
            state: State<F, RB>,
        },
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
    /// A call that can be repeated.
    pub(crate) const fn repeatable(
        operation: Operation<C>,
        response: S::Future,
        inner: S,
        head: Parts,
        body: ReplayBody<B>,
    ) -> Self {
        Self {
            operation,
            head: Some(head),
            body: Some(body),
            call: Call::Repeatable {
                inner,
                state: State::Calling { response },
            },
        }
    }

    /// A call that is made once.
    pub(crate) const fn once(operation: Operation<C>, response: S::Future) -> Self {
        Self {
            operation,
            head: None,
            body: None,
            call: Call::Once { response },
        }
    }
}

impl<S, C, B, RB> ResponseFuture<S, C, B, RB>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    C: Classify<Response<RB>>,
    B: Body + Unpin,
    B::Error: Into<BoxError>,
    RB: Body,
{
    /// Goes on from `outcome`, if it is one, until there is something to wait for.
    #[inline(never)]
    fn go_on(
        mut self: Pin<&mut Self>,
        outcome: Poll<Result<Response<RB>, BoxError>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RB>, BoxError>> {
        let mut next = match outcome {
            Poll::Ready(result) => Poll::Ready(self.as_mut().after_call(result)),
            Poll::Pending => self.as_mut().poll_next(cx),
        };
        loop {
            match ready!(next) {
                Next::Done(result) => return Poll::Ready(result),
                Next::Wait(wait) => self.as_mut().set(State::Waiting { wait }),
            }
            next = self.as_mut().poll_next(cx);
        }
    }

    /// What follows the attempt under way, or the next one.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next<RB>> {
        loop {
            let this = self.as_mut().project();
            let state = match this.call.project() {
                CallProjection::Once { response } => {
                    let result = ready!(response.poll(cx)).map_err(Into::into);
                    return Poll::Ready(self.after_call(result));
                }
                CallProjection::Repeatable { state, .. } => state,
            };
            match state.project() {
                StateProjection::Calling { response } => {
                    let result = ready!(response.poll(cx)).map_err(Into::into);
                    return Poll::Ready(self.after_call(result));
                }
                StateProjection::Waiting { wait } => {
                    ready!(wait.poll(cx));
                    self.as_mut().set(State::Readying);
                }
                StateProjection::Readying => match ready!(self.as_mut().poll_resend(cx)) {
                    Ok(response) => self.as_mut().set(State::Calling { response }),
                    Err(error) => {
                        let (operation, kept) = self.parts();
                        return Poll::Ready(operation.after_no_call(error, kept));
                    }
                },
            }
        }
    }

    fn set(self: Pin<&mut Self>, next: State<S::Future, RB>) {
        if let CallProjection::Repeatable { mut state, .. } = self.project().call.project() {
            state.set(next);
        }
    }

    fn after_call(self: Pin<&mut Self>, result: Result<Response<RB>, BoxError>) -> Next<RB> {
        let (operation, kept) = self.parts();
        operation.after_call(result, kept)
    }

    fn parts(self: Pin<&mut Self>) -> (&mut Operation<C>, Kept<'_, B>) {
        let this = self.project();
        let kept = Kept {
            head: this.head.as_ref(),
            body: this.body.as_ref(),
        };
        (this.operation, kept)
    }

    /// Sends the request once more as soon as the inner service is ready.
    fn poll_resend(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Future, BoxError>> {
        let this = self.project();
        let (CallProjection::Repeatable { inner, .. }, Some(body)) =
            (this.call.project(), this.body)
        else {
            return Poll::Ready(Err(NotReplayable::Once.into()));
        };
        ready!(inner.poll_ready(cx)).map_err(Into::into)?;

        let body = body.try_clone()?;
        // The last attempt takes what the others have to copy.
        let head = if this.operation.is_last() {
            this.head.take()
        } else {
            this.head.clone()
        };
        let mut head = head.ok_or(NotReplayable::Once)?;
        this.operation
            .give_away(&head.method, &head.headers, &head.extensions);
        head.extensions.insert(this.operation.number());
        Poll::Ready(Ok(inner.call(Request::from_parts(head, body))))
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

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut outcome;
        let this = self.as_mut().project();
        let response = match this.call.project() {
            CallProjection::Once { response } => Some(response),
            CallProjection::Repeatable { state, .. } => match state.project() {
                StateProjection::Calling { response } => Some(response),
                _ => None,
            },
        };
        let settled = if let Some(response) = response {
            outcome = response.poll(cx).map_err(Into::into);
            match &outcome {
                Poll::Pending => {
                    this.operation.pended();
                    true
                }
                Poll::Ready(Ok(response)) => this.operation.settle_at_once(response),
                Poll::Ready(Err(_)) => false,
            }
        } else {
            outcome = Poll::Pending;
            false
        };
        if !settled {
            outcome = self.go_on(outcome, cx);
        }
        outcome
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
