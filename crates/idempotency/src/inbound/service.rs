use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use buttress_body::Whole;
use buttress_classify::BoxError;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::intake;
use super::job::Handler;
use super::settings::Settings;
use super::subject::Subject;
use super::{InboundFuture, Received, Recorded};
use crate::telemetry;

/// The service made by [`IdempotencyKeyLayer::inbound`](crate::IdempotencyKeyLayer::inbound).
///
/// A request with a key is executed in a task of its own, so the inner service, its future, its
/// error and its response's body must be `Send + 'static`, and the inner service `Clone`. It must
/// be called within a Tokio runtime.
#[derive(Clone, Debug)]
pub struct InboundIdempotencyKey<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> InboundIdempotencyKey<S> {
    pub(crate) const fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, RB> Service<Request<B>> for InboundIdempotencyKey<S>
where
    S: Service<Request<Received<B>>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
{
    type Response = Response<Recorded<RB>>;
    type Error = S::Error;
    type Future = InboundFuture<S::Future, RB, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let subject = match Subject::of(&self.settings, &head) {
            Ok(Subject::None) => {
                let request = Request::from_parts(head, Received::live(body));
                return InboundFuture::passed(self.inner.call(request));
            }
            Ok(subject) => subject,
            Err(refused) => {
                telemetry::refused_inbound(refused);
                return InboundFuture::answered(self.settings.refuse(refused));
            }
        };
        // The instance that was readied goes along; the clone stays.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let handler: Handler<RB, S::Error> = Box::new(move |head: Parts, body: Whole| {
            Box::pin(inner.call(Request::from_parts(head, Received::whole(body))))
        });
        let settings = Arc::clone(&self.settings);
        let request = Request::from_parts(head, body);
        InboundFuture::keyed(intake::answer(settings, subject, request, handler))
    }
}
