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
        let may_repeat = self.policy.may_repeat(request.body());
        // What is neither kept nor asked for a key goes on as it came.
        if !may_repeat && self.policy.profile.is_none() {
            let response = self.inner.call(request.map(ReplayBody::once));
            return ResponseFuture::once(Operation::new(Arc::clone(&self.policy)), response);
        }
        let (head, body) = request.into_parts();
        let body = if may_repeat {
            ReplayBody::new(body, self.policy.replay_cap)
        } else {
            ReplayBody::once(body)
        };
        let mut operation = Operation::new(Arc::clone(&self.policy));
        let Ok(first) = body.try_clone() else {
            operation.give_away(&head.method, &head.headers, &head.extensions);
            let request = Request::from_parts(head, body);
            return ResponseFuture::once(operation, self.inner.call(request));
        };
        operation.start_deadline();
        // The instance that was asked whether it is ready is called, and given up to be called
        // again; a clone, which was not asked, takes its place.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let response = inner.call(Request::from_parts(head.clone(), first));
        ResponseFuture::repeatable(operation, response, inner, head, body)
    }
}
