use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::alarm::Alarm;
use crate::clock::{Clock, Cut, Span};
use crate::{BoxError, Elapsed, Phase, TimeoutBody, telemetry};

pin_project! {
    /// The future of a call through [`Timeout<S, Head>`](crate::Timeout).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct HeadFuture<F> {
        #[pin]
        call: F,
        #[pin]
        alarm: Alarm,
    }
}

impl<F> HeadFuture<F> {
    pub(crate) const fn new(call: F, limit: Span) -> Self {
        Self {
            call,
            alarm: Alarm::new(Clock::new(limit, Span::NEVER)),
        }
    }
}

impl<F, T, E> Future for HeadFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The call goes first: an answer that is there at the limit is worth more than the error.
        if let Poll::Ready(result) = this.call.poll(cx) {
            return Poll::Ready(result.map_err(Into::into));
        }
        late(this.alarm.as_mut(), cx).map(Err)
    }
}

pin_project! {
    /// The future of a call through [`Timeout<S, Exchange>`](crate::Timeout).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ExchangeFuture<F> {
        #[pin]
        call: Option<F>,
        #[pin]
        alarm: Alarm,
    }
}

impl<F> ExchangeFuture<F> {
    /// Waits for this call; `None` if the deadline had passed before it.
    pub(crate) const fn new(call: Option<F>, clock: Clock) -> Self {
        Self {
            call,
            alarm: Alarm::new(clock),
        }
    }
}

impl<F, B, E> Future for ExchangeFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<TimeoutBody<B>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(call) = this.call.as_pin_mut() else {
            return Poll::Ready(Err(fail(Elapsed::unsent(this.alarm.clock().limit()))));
        };
        let Poll::Ready(result) = call.poll(cx) else {
            return late(this.alarm.as_mut(), cx).map(Err);
        };
        let clock = *this.alarm.clock();
        Poll::Ready(match result {
            Ok(response) => Ok(response.map(|body| TimeoutBody::new(body, clock))),
            Err(error) => Err(error.into()),
        })
    }
}

fn late(alarm: Pin<&mut Alarm>, cx: &mut Context<'_>) -> Poll<BoxError> {
    let limit = alarm.clock().limit();
    alarm
        .poll(cx)
        .map(|cut: Cut| fail(Elapsed::new(limit, Phase::Head, cut)))
}

#[cold]
pub(crate) fn fail(elapsed: Elapsed) -> BoxError {
    telemetry::elapsed(&elapsed);
    elapsed.into()
}
