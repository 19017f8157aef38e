//! Everything that is answered without the handler and without the store's record.

use std::borrow::Cow;
use std::time::Duration;

use buttress_problem::Problem;
use bytes::Bytes;
use http::header::LINK;
use http::{HeaderValue, Response, StatusCode};

use super::Recorded;

/// How long a client waits for a store that is down, or for room.
const UNAVAILABLE: Duration = Duration::from_secs(5);

/// How problems name their types.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    pub(crate) prefix: Cow<'static, str>,
    pub(crate) link: Option<HeaderValue>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    BodyBroken,
    CutShort,
    InFlight(Duration),
    InvalidKey,
    Mismatch,
    MissingKey,
    NotRetained(StatusCode),
    Panicked,
    TooLarge,
    TooMany,
    Unavailable,
    Unknown,
    /// Nobody authenticated the request, or verified the webhook, before it came here.
    Unscoped,
}

impl Refused {
    const fn status(self) -> StatusCode {
        match self {
            Self::BodyBroken | Self::InvalidKey | Self::MissingKey => StatusCode::BAD_REQUEST,
            Self::CutShort => StatusCode::GATEWAY_TIMEOUT,
            Self::InFlight(_) | Self::NotRetained(_) | Self::Unknown => StatusCode::CONFLICT,
            Self::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Panicked | Self::Unscoped => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The type's name and title; none for what is the server's own business.
    const fn words(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::BodyBroken => ("body-incomplete", "The body broke off"),
            Self::CutShort => ("idempotency-execution-cut", "The execution took too long"),
            Self::InFlight(_) => (
                "idempotency-key-in-flight",
                "A request with this idempotency key is being executed",
            ),
            Self::InvalidKey => ("idempotency-key-invalid", "The idempotency key is invalid"),
            Self::Mismatch => (
                "idempotency-key-reused",
                "The idempotency key was used for another request",
            ),
            Self::MissingKey => ("idempotency-key-missing", "An idempotency key is required"),
            Self::NotRetained(_) => (
                "idempotency-answer-not-retained",
                "The request was executed, and its answer was too large to keep",
            ),
            Self::TooLarge => ("content-too-large", "The body is too large"),
            Self::TooMany => (
                "too-many-executions",
                "Too many requests are being executed",
            ),
            Self::Unavailable => (
                "idempotency-unavailable",
                "Idempotency keys cannot be checked for now",
            ),
            Self::Unknown => (
                "idempotency-outcome-unknown",
                "An earlier execution under this key ended nobody knows how",
            ),
            Self::Panicked | Self::Unscoped => return None,
        })
    }

    /// A short, constant name, for telemetry.
    pub(crate) const fn as_str(self) -> &'static str {
        match self.words() {
            Some((name, _)) => name,
            None if matches!(self, Self::Unscoped) => "unscoped",
            None => "panicked",
        }
    }

    const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::InFlight(wait) => Some(wait),
            Self::TooMany | Self::Unavailable => Some(UNAVAILABLE),
            // A wait would not change these. Our own profile tells them from "in flight" by it.
            _ => None,
        }
    }

    /// The same, for the sender of an event, who tries again after anything that is no success.
    const fn for_events(self) -> Self {
        match self {
            Self::Mismatch | Self::NotRetained(_) | Self::Unknown => Self::Unavailable,
            other => other,
        }
    }
}

impl Problems {
    pub(crate) const fn new() -> Self {
        Self {
            prefix: Cow::Borrowed("urn:buttress:problem:"),
            link: None,
        }
    }

    pub(crate) fn answer<RB>(&self, refused: Refused, events: bool) -> Response<Recorded<RB>> {
        let refused = if events {
            refused.for_events()
        } else {
            refused
        };
        let status = match refused {
            Refused::InFlight(_) if events => StatusCode::SERVICE_UNAVAILABLE,
            _ => refused.status(),
        };
        let mut problem = Problem::new(status);
        if let Some((name, title)) = refused.words() {
            problem = problem
                .type_uri(format!("{}{name}", self.prefix))
                .title(title);
        }
        if let Some(wait) = refused.retry_after() {
            problem = problem.retry_after(wait.max(Duration::from_secs(1)));
        }
        if let Refused::NotRetained(original) = refused {
            problem = problem.with("original_status", original.as_u16());
        }
        let mut response = problem.into_response::<Bytes>().map(Recorded::own);
        if let Some(link) = self.link.as_ref().filter(|_| status.is_client_error()) {
            response.headers_mut().insert(LINK, link.clone());
        }
        response
    }
}
