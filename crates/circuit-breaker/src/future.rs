use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_classify::{BoxError, Classify, DynError};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::judge::judge;
use crate::permit::{Permit, Watch};

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
        // After `state`, so that the call is dropped before its permit says so.
        permit: Option<Permit>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F> {
        // The inner service is at work.
        Calling { #[pin] response: F },
        // The inner service must become ready first; boxed, for it is rare and would make every
        // future large.
        Readying { service: Box<S>, request: Option<Box<Req>> },
        // There is no call: the circuit is open, or the inner service broke.
        Failed { error: Option<BoxError> },
    }
}

impl<S, Req, C> ResponseFuture<S, Req, C>
where
    S: Service<Req>,
{
    #[inline]
    pub(crate) const fn calling(
        response: S::Future,
        classifier: C,
        permit: Option<Permit>,
    ) -> Self {
        Self {
            state: State::Calling { response },
            classifier,
            permit,
        }
    }

    pub(crate) fn readying(
        service: S,
        request: Req,
        classifier: C,
        permit: Option<Permit>,
    ) -> Self {
        Self {
            state: State::Readying {
                service: Box::new(service),
                request: Some(Box::new(request)),
            },
            classifier,
            permit,
        }
    }

    pub(crate) const fn failed(error: BoxError, classifier: C) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
            classifier,
            permit: None,
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
    #[allow(
        clippy::inline_always,
        reason = "a sixth of what a call through the layer costs"
    )]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !matches!(*this.state, State::Calling { .. })
            && let Some(result) = begin(this.state.as_mut(), this.permit, this.classifier, cx)
        {
            return result.map(Err);
        }
        match this.state.project() {
            StateProj::Calling { response } => go_on(response, this.permit, this.classifier, cx),
            _ => Poll::Pending,
        }
    }
}

/// The inner call, under way.
#[inline]
fn go_on<F, Res, E, C>(
    response: Pin<&mut F>,
    permit: &mut Option<Permit>,
    classifier: &C,
    cx: &mut Context<'_>,
) -> Poll<Result<Res, BoxError>>
where
    F: Future<Output = Result<Res, E>>,
    E: Into<BoxError>,
    C: Classify<Res>,
{
    let watching = watch(permit);
    let polled = response.poll(cx).map_err(Into::into);
    end(watching);
    match &polled {
        Poll::Ready(Ok(response)) => settle(permit, classifier, Ok(response)),
        Poll::Ready(Err(error)) => settle(permit, classifier, Err(&**error)),
        Poll::Pending => permit.iter_mut().for_each(Permit::wait),
    }
    polled
}

/// What comes before the inner call, if anything does; none once that call has begun.
#[cold]
fn begin<S, Req, C>(
    mut state: Pin<&mut State<S, Req, S::Future>>,
    permit: &mut Option<Permit>,
    classifier: &C,
    cx: &mut Context<'_>,
) -> Option<Poll<BoxError>>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
    C: Classify<S::Response>,
{
    let response = match state.as_mut().project() {
        StateProj::Calling { .. } => return None,
        // No error left: polled again after its end.
        StateProj::Failed { error } => {
            return Some(error.take().map_or(Poll::Pending, Poll::Ready));
        }
        StateProj::Readying { service, request } => {
            let watching = watch(permit);
            let readied = service.poll_ready(cx);
            end(watching);
            match readied {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    let error = error.into();
                    settle(permit, classifier, Err(&*error));
                    *request = None;
                    return Some(Poll::Ready(error));
                }
                Poll::Pending => {
                    permit.iter_mut().for_each(Permit::wait);
                    return Some(Poll::Pending);
                }
            }
            // No request left: polled again after its end.
            let Some(request) = request.take() else {
                return Some(Poll::Pending);
            };
            let watching = watch(permit);
            let response = service.call(*request);
            end(watching);
            response
        }
    };
    state.set(State::Calling { response });
    None
}

/// Judges the outcome and tells the circuit.
#[inline]
fn settle<Res, C>(permit: &mut Option<Permit>, classifier: &C, outcome: Result<&Res, &DynError>)
where
    C: Classify<Res>,
{
    if let Some(permit) = permit {
        permit.settle(judge(classifier, outcome));
    }
}

#[inline]
fn watch(permit: &mut Option<Permit>) -> Option<Watch<'_>> {
    permit.as_mut().map(Permit::watch)
}

#[inline]
fn end(watch: Option<Watch<'_>>) {
    if let Some(watch) = watch {
        watch.end();
    }
}

impl<S, Req, C> fmt::Debug for ResponseFuture<S, Req, C>
where
    S: Service<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Calling { .. } => "calling",
            State::Readying { .. } => "readying",
            State::Failed { .. } => "failed",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}
