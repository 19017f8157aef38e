use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_classify::{BoxError, Classify};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::judge::judge;
use crate::permit::Permit;

pin_project! {
    /// The future of a call through a circuit breaker.
    ///
    /// Dropped before it is done, the call counts as a failure if its request's deadline has passed
    /// or if it is older than the slow-call limit (10 s if there is none), and not at all otherwise.
    #[must_use = "a call does nothing unless it is polled"]
    pub struct ResponseFuture<S, Req, C>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req, S::Future>,
        classifier: C,
        permit: Permit,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F> {
        // The inner service is at work.
        Calling { #[pin] response: F },
        // The inner service must become ready first, or the call has failed already. Boxed, for it
        // is rare and would make every future large.
        Waiting { call: Option<Parked<S, Req>> },
    }
}

/// A service and its request that wait for the service to become ready, or why they need not.
pub(crate) type Parked<S, Req> = Result<Box<(S, Req)>, BoxError>;

impl<S, Req, C> ResponseFuture<S, Req, C>
where
    S: Service<Req>,
{
    #[inline]
    pub(crate) const fn calling(response: S::Future, classifier: C, permit: Permit) -> Self {
        Self {
            state: State::Calling { response },
            classifier,
            permit,
        }
    }

    pub(crate) const fn waiting(parked: Parked<S, Req>, classifier: C, permit: Permit) -> Self {
        Self {
            state: State::Waiting { call: Some(parked) },
            classifier,
            permit,
        }
    }
}

impl<S, Req, C> Future for ResponseFuture<S, Req, C>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    C: Classify<S::Response>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if matches!(*this.state, State::Waiting { .. }) {
            let begun = begin(this.state.as_mut(), this.permit, this.classifier, cx);
            match begun {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        match this.state.project() {
            StateProj::Calling { response } => go_on(response, this.permit, this.classifier, cx),
            StateProj::Waiting { .. } => Poll::Pending,
        }
    }
}

/// The inner call, under way.
#[inline(always)]
fn go_on<F, Res, E, C>(
    response: Pin<&mut F>,
    permit: &mut Permit,
    classifier: &C,
    cx: &mut Context<'_>,
) -> Poll<Result<Res, BoxError>>
where
    F: Future<Output = Result<Res, E>>,
    E: Into<BoxError>,
    C: Classify<Res>,
{
    let watch = permit.watch();
    let polled = response.poll(cx).map_err(Into::into);
    watch.end();
    match &polled {
        Poll::Ready(Ok(response)) => permit.settle(judge(classifier, Ok(response))),
        Poll::Ready(Err(error)) => permit.settle(judge(classifier, Err(&**error))),
        Poll::Pending => permit.wait(),
    }
    polled
}

/// What comes before the inner call: its readiness, or the reason why there is none.
#[cold]
fn begin<S, Req, C>(
    mut state: Pin<&mut State<S, Req, S::Future>>,
    permit: &mut Permit,
    classifier: &C,
    cx: &mut Context<'_>,
) -> Poll<Result<(), BoxError>>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    C: Classify<S::Response>,
{
    let StateProj::Waiting { call } = state.as_mut().project() else {
        return Poll::Ready(Ok(()));
    };
    let mut parked = match call.take() {
        Some(Ok(parked)) => parked,
        Some(Err(error)) => return Poll::Ready(Err(error)),
        // Polled again after its end.
        None => return Poll::Pending,
    };
    let watch = permit.watch();
    let readied = parked.0.poll_ready(cx).map_err(Into::into);
    watch.end();
    match readied {
        Poll::Ready(Ok(())) => {
            let (mut service, request) = *parked;
            let watch = permit.watch();
            let response = service.call(request);
            watch.end();
            state.set(State::Calling { response });
            Poll::Ready(Ok(()))
        }
        Poll::Ready(Err(error)) => {
            permit.settle(judge(classifier, Err(&*error)));
            Poll::Ready(Err(error))
        }
        Poll::Pending => {
            *call = Some(Ok(parked));
            permit.wait();
            Poll::Pending
        }
    }
}

impl<S, Req, C> fmt::Debug for ResponseFuture<S, Req, C>
where
    S: Service<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Calling { .. } => "calling",
            State::Waiting { .. } => "waiting",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}
