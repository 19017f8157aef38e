use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use axum_core::body::Body;
use axum_core::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Request};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use http_body_util::BodyExt;

use crate::{Event, NotVerified, Verified};

/// Answered with 500: the handler asks for a verified webhook, and nothing verified this one.
impl IntoResponse for NotVerified {
    fn into_response(self) -> Response {
        // The fault is in the program's own stack, and no business of the sender's.
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// Why no [`Event`] could be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum EventRejection {
    /// The body broke off: answered with 400.
    Body(axum_core::Error),
    /// No layer verified the request.
    NotVerified(NotVerified),
}

impl fmt::Display for EventRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(_) => f.write_str("the body could not be read"),
            Self::NotVerified(error) => error.fmt(f),
        }
    }
}

impl Error for EventRejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Body(error) => Some(error),
            Self::NotVerified(_) => None,
        }
    }
}

impl IntoResponse for EventRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Body(_) => StatusCode::BAD_REQUEST.into_response(),
            Self::NotVerified(error) => error.into_response(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Verified {
    type Rejection = NotVerified;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, NotVerified> {
        Self::of(&parts.extensions).cloned().ok_or(NotVerified)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Verified {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(&parts.extensions).cloned())
    }
}

impl<S: Sync> FromRequest<S> for Event {
    type Rejection = EventRejection;

    /// Reads the body that the verifier handed on, which its cap has bounded already.
    async fn from_request(request: Request<Body>, _state: &S) -> Result<Self, EventRejection> {
        let (mut parts, body) = request.into_parts();
        let verified = parts
            .extensions
            .remove::<Verified>()
            .ok_or(EventRejection::NotVerified(NotVerified))?;
        let body = body.collect().await.map_err(EventRejection::Body)?;
        Ok(Self::new(verified, parts.headers, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    #[tokio::test]
    async fn without_a_receipt_the_handler_is_not_reached() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let rejection = <Verified as FromRequestParts<()>>::from_request_parts(&mut parts, &())
            .await
            .unwrap_err();
        assert_eq!(rejection.into_response().status(), 500);

        let event = Event::from_request(Request::new(Body::from("forged")), &()).await;
        assert_eq!(event.unwrap_err().into_response().status(), 500);
    }

    #[tokio::test]
    async fn the_receipt_and_the_body_reach_the_handler() {
        let mut request = Request::new(Body::from("{}"));
        request
            .extensions_mut()
            .insert(Verified::new(Source::from_static("stripe")));
        let event = Event::from_request(request, &()).await.unwrap();
        assert_eq!(event.body, "{}");
    }
}
