use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_body::ReplayBody;
use buttress_classify::{BoxError, Classify};
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::ResponseFuture;
use crate::operation::Operation;
use crate::policy::Policy;

/// The service made by [`RetryLayer`](crate::RetryLayer).
#[derive(Debug)]
pub struct Retry<S, C> {
    inner: S,
    policy: Arc<Policy<C>>,
}

impl<S, C> Retry<S, C> {
    pub(crate) const fn new(inner: S, policy: Arc<Policy<C>>) -> Self {
        Self { inner, policy }
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside, without this layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, C> Retry<S, C> {
    /// Calls the instance that was asked whether it is ready, and gives it up to be called again; a
    /// clone, which was not asked, takes its place.
    #[inline]
    fn call_ready<R>(&mut self, request: R) -> (S, S::Future)
    where
        S: Service<R>,
    {
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let response = ready.call(request);
        (ready, response)
    }
}

impl<S: Clone, C> Clone for Retry<S, C> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.policy))
    }
}

impl<S, C, B, RB> Service<Request<B>> for Retry<S, C>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<RB>> + Clone,
    S::Error: Into<BoxError>,
    C: Classify<Response<RB>>,
    B: Body + Unpin,
    B::Error: Into<BoxError>,
    RB: Body,
{
    type Response = Response<RB>;
    type Error = BoxError;
    type Future = ResponseFuture<S, C, B, RB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let keyed = self.policy.is_keyed(&request);
        let deadline = self.policy.deadline();
        let policy = Arc::clone(&self.policy);

        if !self.policy.may_repeat(request.body()) {
            let response = self.inner.call(request.map(ReplayBody::once));
            return ResponseFuture::once(Operation::new(policy, keyed, deadline), response);
        }
        let (head, body) = request.into_parts();
        if body.is_end_stream() {
            let request = Request::from_parts(head.clone(), ReplayBody::empty());
            let (inner, response) = self.call_ready(request);
            let operation = Operation::new(policy, keyed, deadline);
            return ResponseFuture::repeatable(operation, response, inner, head, None);
        }
        let body = ReplayBody::new(body, self.policy.replay_cap);
        let Ok(first) = body.try_clone() else {
            let response = self.inner.call(Request::from_parts(head, body));
            return ResponseFuture::once(Operation::new(policy, keyed, deadline), response);
        };
        let (inner, response) = self.call_ready(Request::from_parts(head.clone(), first));
        let operation = Operation::new(policy, keyed, deadline);
        ResponseFuture::repeatable(operation, response, inner, head, Some(body))
    }
}
