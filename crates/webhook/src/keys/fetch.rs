use std::future::{Future, poll_fn};
use std::pin::pin;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use crate::BoxError;
use crate::intake::Intake;

/// The largest answer that is read, in bytes.
const CAP: usize = 64 * 1024;

/// A client that keys are fetched with: any service of HTTP requests, with your own timeout, retry and
/// circuit breaker around it.
///
/// It must not follow redirects, for then it would fetch from wherever an answer points. hyper-util's
/// client does not; build reqwest's with `redirect::Policy::none()`.
pub trait KeyClient: Clone + Send + 'static {
    /// Sends a request and reads the answer's body, up to 64 KiB.
    #[doc(hidden)]
    fn fetch(
        self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<(StatusCode, Bytes), BoxError>> + Send;
}

impl<C, B> KeyClient for C
where
    C: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    B: Body + Send,
{
    async fn fetch(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), BoxError> {
        poll_fn(|cx| self.poll_ready(cx))
            .await
            .map_err(Into::into)?;
        let response = self.call(request).await.map_err(Into::into)?;
        let status = response.status();
        let mut body = pin!(response.into_body());
        let mut intake = Intake::default();
        poll_fn(|cx| intake.poll(body.as_mut(), CAP, cx, |_| ())).await?;
        Ok((status, intake.into_whole().0))
    }
}

/// Whether an answer says for certain that there is nothing; anything else may pass.
pub(super) fn is_absent(status: StatusCode) -> bool {
    status.is_redirection()
        || (status.is_client_error()
            && status != StatusCode::REQUEST_TIMEOUT
            && status != StatusCode::TOO_MANY_REQUESTS)
}
