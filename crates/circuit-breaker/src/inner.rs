use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_deadline::Deadline;
use tower_service::Service;

use crate::circuit::Anchor;
use crate::future::Parked;
use crate::pass::{Pass, Refusal};
use crate::permit::{EarlyWatch, Permit};
use crate::{Open, ResponseFuture};

/// The inner service, and whether it said that it is ready and has not been called since.
#[derive(Debug)]
pub(crate) struct Inner<S> {
    service: S,
    readied: bool,
}

impl<S> Inner<S> {
    pub(crate) const fn new(service: S) -> Self {
        Self {
            service,
            readied: false,
        }
    }

    #[inline]
    pub(crate) fn poll_ready<Req>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Req>,
    {
        let polled = self.service.poll_ready(cx);
        self.readied = matches!(polled, Poll::Ready(Ok(())));
        polled
    }

    /// The service said that it is ready, and waits for its call.
    #[inline]
    pub(crate) const fn is_readied(&self) -> bool {
        self.readied
    }

    /// Calls the service, which is ready.
    #[inline(always)]
    pub(crate) fn call<Req, C>(
        &mut self,
        request: Req,
        classifier: C,
        deadline: Option<Deadline>,
        anchor: &Arc<Anchor>,
        pass: Pass,
    ) -> ResponseFuture<S, Req, C>
    where
        S: Service<Req>,
    {
        self.readied = false;
        let watch = EarlyWatch::new(anchor, pass);
        let response = self.service.call(request);
        let permit = watch.end(deadline);
        ResponseFuture::calling(response, classifier, permit)
    }

    /// What becomes of a call that is refused, or whose service is not ready. The future is not made in
    /// here: made in two places, it would be copied on its way from either.
    #[cold]
    pub(crate) fn call_later<Req>(
        &mut self,
        request: Req,
        deadline: Option<Deadline>,
        anchor: &Arc<Anchor>,
        admitted: Result<Pass, Refusal>,
    ) -> (Parked<S, Req>, Permit)
    where
        S: Service<Req> + Clone,
    {
        match admitted {
            // Nobody has asked the service yet, so the future does.
            Ok(pass) => {
                let permit = Permit::new(Arc::clone(anchor), pass, deadline);
                (Ok(Box::new((self.take(), request))), permit)
            }
            Err(refusal) => (
                Err(self.refuse(refusal, anchor).into()),
                Permit::new(Arc::clone(anchor), Pass::UNTRACKED, None),
            ),
        }
    }

    fn refuse(&mut self, refusal: Refusal, anchor: &Arc<Anchor>) -> Open
    where
        S: Clone,
    {
        if mem::take(&mut self.readied) {
            // Whatever the service set aside for this call, it gets back.
            drop(self.take());
        }
        Open::new(Arc::clone(anchor.core().name()), refusal.retry_after)
    }

    /// The service that was polled last; a clone stays.
    fn take(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.service.clone();
        mem::replace(&mut self.service, clone)
    }
}

impl<S: Clone> Clone for Inner<S> {
    #[inline]
    fn clone(&self) -> Self {
        Self::new(self.service.clone())
    }
}
