use std::task::{Context, Poll};

use buttress_deadline::Deadline;
use http::{Extensions, Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use crate::clock::{Clock, Span};
use crate::{BoxError, Exchange, ExchangeFuture, Head, HeadFuture, TimeoutBody};

/// The service made by [`TimeoutLayer`](crate::TimeoutLayer).
#[derive(Clone, Copy, Debug)]
pub struct Timeout<S, M = Exchange> {
    inner: S,
    limit: Span,
    mode: M,
}

impl<S, M> Timeout<S, M> {
    pub(crate) const fn new(inner: S, limit: Span, mode: M) -> Self {
        Self { inner, limit, mode }
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

impl<S, B, RB> Service<Request<B>> for Timeout<S, Exchange>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
    RB: Body,
    RB::Error: Into<BoxError>,
{
    type Response = Response<TimeoutBody<RB>>;
    type Error = BoxError;
    type Future = ExchangeFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    // Without a hint to inline: around large layers the request is copied once less.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.mode.writes || !request.extensions().is_empty() {
            let (call, clock) = call_planned(self, request);
            return ExchangeFuture::new(call, clock);
        }
        let call = Some(self.inner.call(request));
        ExchangeFuture::new(call, Clock::new(self.limit, self.mode.idle))
    }
}

/// Out of the way of requests that carry nothing. The future is not made in here: made in two places,
/// it would be copied on its way from either.
#[inline(never)]
fn call_planned<S, B>(
    service: &mut Timeout<S, Exchange>,
    mut request: Request<B>,
) -> (Option<S::Future>, Clock)
where
    S: Service<Request<B>>,
{
    let Exchange { idle, writes } = service.mode;
    let mut clock = Clock::new(service.limit, idle);
    if plan(&mut clock, request.extensions_mut(), writes) {
        (Some(service.inner.call(request)), clock)
    } else {
        (None, clock)
    }
}

impl<S, Req> Service<Req> for Timeout<S, Head>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = HeadFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        HeadFuture::new(self.inner.call(request), self.limit)
    }
}

/// Reads the deadline that the request carries, and writes one if told. False if it has passed.
fn plan(clock: &mut Clock, extensions: &mut Extensions, writes: bool) -> bool {
    let outer = Deadline::of(extensions);
    if outer.is_none() && !writes {
        return true;
    }
    let now = Instant::now();
    if outer.is_some_and(|outer| outer.has_passed(now)) {
        return false;
    }
    clock.obey(outer);
    if writes {
        clock.end(now).tighten(extensions);
    }
    true
}
