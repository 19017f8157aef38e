use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_classify::BoxError;
use http::Request;
use http_body::Body;
use tower_service::Service;

use super::rules::Rules;
use super::{Peeked, ResponseFuture};
use crate::telemetry;

/// The service made by [`IdempotencyKeyLayer::outbound`](crate::IdempotencyKeyLayer::outbound).
#[derive(Clone, Debug)]
pub struct OutboundIdempotencyKey<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> OutboundIdempotencyKey<S> {
    pub(crate) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, B> Service<Request<B>> for OutboundIdempotencyKey<S>
where
    S: Service<Request<Peeked<B>>>,
    S::Error: Into<BoxError>,
    B: Body + Unpin,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(Peeked::new);
        match self.rules.apply(&mut request) {
            Ok(()) => ResponseFuture::called(self.inner.call(request)),
            Err(refused) => {
                telemetry::refused(&self.rules.profile, refused.refusal());
                ResponseFuture::refused(refused)
            }
        }
    }
}
