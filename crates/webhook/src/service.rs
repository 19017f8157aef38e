use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_body::{Answer, Collected};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::layer::Clock;
use crate::{Refused, Resolve, ResponseFuture, telemetry};

/// The service made by [`WebhookVerifyLayer`](crate::WebhookVerifyLayer).
pub struct WebhookVerify<S, R> {
    inner: S,
    resolve: Arc<R>,
    clock: Clock,
}

impl<S, R> WebhookVerify<S, R> {
    pub(crate) const fn new(inner: S, resolve: Arc<R>, clock: Clock) -> Self {
        Self {
            inner,
            resolve,
            clock,
        }
    }
}

impl<S: Clone, R> Clone for WebhookVerify<S, R> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            Arc::clone(&self.resolve),
            Arc::clone(&self.clock),
        )
    }
}

impl<S: fmt::Debug, R> fmt::Debug for WebhookVerify<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookVerify")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, R, B, A> Service<Request<B>> for WebhookVerify<S, R>
where
    S: Service<Request<Collected>, Response = Response<A>> + Clone,
    R: Resolve,
    B: Body,
{
    type Response = Response<Answer<A>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, B, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let facts = self.resolve.facts();
        if request.body().size_hint().lower() > facts.cap as u64 {
            telemetry::refused(&facts.source, Refused::TooLarge);
            return ResponseFuture::refused(Refused::TooLarge);
        }
        // The instance that was readied goes along; the clone stays.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let (head, body) = request.into_parts();
        let found = self.resolve.resolve(&head);
        let call = (inner, Arc::clone(&self.clock));
        ResponseFuture::new(call, found, (head, body), facts.cap)
    }
}
