use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Request};

use crate::{DedupeKey, Verified};

/// A verified webhook in whole: the receipt, the headers, and the exact bytes of the body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What the signature proved.
    pub verified: Verified,
    /// The request's headers; which of them are signed depends on the source.
    pub headers: HeaderMap,
    /// The body as it was received.
    pub body: Bytes,
}

impl Event {
    /// Puts an event together.
    #[must_use]
    pub const fn new(verified: Verified, headers: HeaderMap, body: Bytes) -> Self {
        Self {
            verified,
            headers,
            body,
        }
    }

    /// The name under which to remember it; `None` where every delivery counts.
    #[must_use]
    pub fn dedupe_key(&self) -> Option<DedupeKey> {
        self.verified.dedupe_key(&self.body)
    }
}

/// A request that carries a receipt is an event.
impl TryFrom<Request<Bytes>> for Event {
    type Error = NotVerified;

    fn try_from(request: Request<Bytes>) -> Result<Self, NotVerified> {
        let (mut parts, body) = request.into_parts();
        let verified = parts.extensions.remove().ok_or(NotVerified)?;
        Ok(Self::new(verified, parts.headers, body))
    }
}

/// No layer verified this request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NotVerified;

impl fmt::Display for NotVerified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no layer verified this request")
    }
}

impl Error for NotVerified {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    #[test]
    fn a_request_without_a_receipt_is_no_event() {
        let request = Request::new(Bytes::from_static(b"forged"));
        assert!(Event::try_from(request).is_err());
    }

    #[test]
    fn an_event_keeps_receipt_headers_and_body() {
        let mut request = Request::new(Bytes::from_static(b"{}"));
        request.headers_mut().insert("x", "y".parse().unwrap());
        request
            .extensions_mut()
            .insert(Verified::new(Source::from_static("stripe")));
        let event = Event::try_from(request).unwrap();
        assert_eq!(event.verified.source().as_str(), "stripe");
        assert_eq!(event.headers["x"], "y");
        assert_eq!(event.body, "{}");
        assert_eq!(event.dedupe_key(), event.verified.dedupe_key(b"{}"));
    }
}
