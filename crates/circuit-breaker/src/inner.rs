use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_deadline::Deadline;
use tower_service::Service;

use crate::circuit::Anchor;
use crate::permit::{Permit, Watch};
use crate::state::{Pass, Refusal};
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

    /// Calls the service if the circuit lets the call pass.
    #[inline]
    pub(crate) fn call<Req, C>(
        &mut self,
        request: Req,
        classifier: C,
        deadline: Option<Deadline>,
        anchor: &Arc<Anchor>,
    ) -> ResponseFuture<S, Req, C>
    where
        S: Service<Req> + Clone,
    {
        match anchor.admit() {
            Ok(mut pass) if self.readied => {
                self.readied = false;
                let watch = Watch::over(anchor, &mut pass);
                let response = self.service.call(request);
                watch.end();
                let permit = Permit::new(Arc::clone(anchor), pass, deadline);
                ResponseFuture::calling(response, classifier, Some(permit))
            }
            Ok(pass) => self.call_unready(request, classifier, deadline, pass, anchor),
            Err(refusal) => self.refuse(classifier, refusal, anchor),
        }
    }

    /// Calls the service, and no circuit hears of it.
    pub(crate) fn call_unwatched<Req, C>(
        &mut self,
        request: Req,
        classifier: C,
    ) -> ResponseFuture<S, Req, C>
    where
        S: Service<Req> + Clone,
    {
        if mem::take(&mut self.readied) {
            ResponseFuture::calling(self.service.call(request), classifier, None)
        } else {
            ResponseFuture::readying(self.take(), request, classifier, None)
        }
    }

    /// Nobody has asked the service yet, so the future does.
    #[cold]
    fn call_unready<Req, C>(
        &mut self,
        request: Req,
        classifier: C,
        deadline: Option<Deadline>,
        pass: Pass,
        anchor: &Arc<Anchor>,
    ) -> ResponseFuture<S, Req, C>
    where
        S: Service<Req> + Clone,
    {
        let permit = Permit::new(Arc::clone(anchor), pass, deadline);
        ResponseFuture::readying(self.take(), request, classifier, Some(permit))
    }

    #[cold]
    fn refuse<Req, C>(
        &mut self,
        classifier: C,
        refusal: Refusal,
        anchor: &Arc<Anchor>,
    ) -> ResponseFuture<S, Req, C>
    where
        S: Service<Req> + Clone,
    {
        if mem::take(&mut self.readied) {
            // Whatever the service set aside for this call, it gets back.
            drop(self.take());
        }
        let name = Arc::clone(anchor.core().name());
        let error = Open::new(name, refusal.retry_after);
        ResponseFuture::failed(error.into(), classifier)
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
