//! What of an answer is kept, and how it is given again.

use buttress_store::{StoreError, StoredResponse};
use bytes::Bytes;
use http::header::{
    AGE, CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, PROXY_AUTHENTICATE, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue, Response, StatusCode, response::Parts};

use super::Recorded;
use super::problems::{Problems, Refused};

pub(crate) static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
pub(crate) static STATUS: HeaderName = HeaderName::from_static("idempotency-status");

/// Of one connection, one moment or one client: not part of the answer.
fn is_fleeting(name: &HeaderName) -> bool {
    let fleeting = [
        AGE,
        CONNECTION,
        CONTENT_LENGTH,
        DATE,
        PROXY_AUTHENTICATE,
        SET_COOKIE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    let names = [
        "idempotency-status",
        "idempotent-replayed",
        "keep-alive",
        "proxy-authentication-info",
        "proxy-connection",
        "request-id",
        "server-timing",
        "traceparent",
        "tracestate",
        "x-correlation-id",
        "x-request-id",
    ];
    let prefixes = ["access-control-", "ratelimit", "x-ratelimit-"];
    let text = name.as_str();
    fleeting.contains(name)
        || names.contains(&text)
        || prefixes.iter().any(|prefix| text.starts_with(prefix))
}

/// The record of this answer; of a body over the cap, none.
pub(crate) fn to_stored(
    head: &Parts,
    body: Option<&[u8]>,
    excluded: &[HeaderName],
) -> StoredResponse {
    let headers = lasting(&head.headers, excluded);
    match body {
        Some(body) => StoredResponse::new(head.status, &headers, body),
        None => StoredResponse::without_body(head.status, &headers),
    }
}

/// That an event was handled: nobody asks for the words.
pub(crate) fn to_stored_event(status: StatusCode) -> StoredResponse {
    StoredResponse::new(status, &HeaderMap::new(), &[])
}

/// Headers that mean the same on another connection on another day.
fn lasting(headers: &HeaderMap, excluded: &[HeaderName]) -> HeaderMap {
    let named = |name: &HeaderName| {
        let lines = headers.get_all(CONNECTION).iter();
        let mut options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        options.any(|option| {
            option
                .trim_ascii()
                .eq_ignore_ascii_case(name.as_str().as_bytes())
        })
    };
    let mut kept = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers {
        if !is_fleeting(name) && !excluded.contains(name) && !named(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// The stored answer, marked as a replay.
pub(crate) fn from_stored<RB>(
    stored: &StoredResponse,
    problems: &Problems,
) -> Result<Response<Recorded<RB>>, StoreError> {
    let kept = stored.to_response()?;
    let mut response = if stored.is_body_dropped() {
        problems.answer(Refused::NotRetained(kept.status()), false)
    } else {
        kept.map(Recorded::own)
    };
    mark(&mut response);
    Ok(response)
}

/// What the sender of an event that was handled before is answered.
pub(crate) fn duplicate<RB>(success: StatusCode) -> Response<Recorded<RB>> {
    let mut response = Response::new(Recorded::own(Bytes::new()));
    *response.status_mut() = success;
    mark(&mut response);
    response
}

/// Takes away the marks of somebody else: this answer is no replay, whatever the handler copied.
pub(crate) fn unmark<B>(response: &mut Response<B>) {
    for mark in [&REPLAYED, &STATUS] {
        response.headers_mut().remove(mark);
    }
}

fn mark<B>(response: &mut Response<B>) {
    // A stored answer never fills the map: it had at least this header's room before.
    let _ = response
        .headers_mut()
        .try_insert(&REPLAYED, HeaderValue::from_static("true"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_connection_header_names_goes_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("x-end", "2"),
            ("x-mine", "3"),
            ("access-control-allow-origin", "*"),
            ("ratelimit-remaining", "4"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let kept = lasting(&headers, &[HeaderName::from_static("x-mine")]);
        assert_eq!(kept.len(), 1);
        assert_eq!(kept["x-end"], "2");
    }
}
