use std::error::Error;
use std::fmt;
use std::time::Duration;

use buttress_body::Answer;
use buttress_problem::Problem;
use bytes::Bytes;
use http::{Response, StatusCode};

/// What a sender is asked to wait when keys or tenants cannot be had.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Why a delivery was not accepted. For logs and counters: the sender learns the status alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// The body broke off: 400.
    Broken,
    /// A certificate, key, topic or algorithm that the scheme does not allow: 401.
    Forbidden,
    /// A header or member that verification needs cannot be read, or stands there twice: 401.
    Malformed,
    /// No signature fits: 401.
    Mismatch,
    /// A header or member that verification needs is absent: 401.
    Missing,
    /// Signed too long ago, or in the future: 401.
    Stale,
    /// The body is larger than the cap: 413.
    TooLarge,
    /// Nobody knows the tenant: 401.
    UnknownTenant,
    /// A key source or a tenant resolver failed, and the sender should try again: 503.
    Unavailable,
}

impl Refused {
    /// The status that the sender receives.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// A name for logs and counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Forbidden => "forbidden",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::TooLarge => "too_large",
            Self::UnknownTenant => "unknown_tenant",
            Self::Unavailable => "unavailable",
        }
    }

    /// The whole answer. Every 401 is the same, byte for byte.
    pub(crate) fn into_response<B>(self) -> Response<Answer<B>> {
        let problem = Problem::new(self.status());
        let problem = match self {
            Self::Unavailable => problem.retry_after(RETRY_AFTER),
            _ => problem,
        };
        problem.into_response::<Bytes>().map(Answer::own)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "the body broke off",
            Self::Forbidden => "signed with what the scheme does not allow",
            Self::Malformed => "what verification needs cannot be read",
            Self::Mismatch => "no signature fits",
            Self::Missing => "what verification needs is absent",
            Self::Stale => "signed outside the time window",
            Self::TooLarge => "the body is too large",
            Self::UnknownTenant => "unknown tenant",
            Self::Unavailable => "keys or tenants cannot be had now",
        })
    }
}

impl Error for Refused {}
