use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::{Class, Health, Verdict, retry_after};

static SHOULD_RETRY: [HeaderName; 2] = [
    HeaderName::from_static("stripe-should-retry"),
    HeaderName::from_static("x-should-retry"),
];
static PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
static RATE_LIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");

/// What the server says in so many words about another attempt, on top of a failure's `verdict`.
///
/// A success stays one whatever its headers say: nothing failed that could be repeated.
#[inline]
pub(crate) fn heed(verdict: Verdict, headers: &HeaderMap) -> Verdict {
    match verdict.class {
        Class::Success => verdict,
        Class::Permanent | Class::Throttled | Class::Transient => amend(verdict, headers),
    }
}

#[cold]
fn amend(mut verdict: Verdict, headers: &HeaderMap) -> Verdict {
    verdict.retry_after = retry_after(headers);

    for value in SHOULD_RETRY.iter().flat_map(|name| headers.get_all(name)) {
        match value.as_bytes() {
            b"false" => verdict.veto = true,
            b"true" if verdict.class == Class::Permanent => verdict.class = Class::Transient,
            _ => {}
        }
    }
    for value in headers.get_all(&PUSHBACK) {
        match value.to_str().ok().and_then(|millis| millis.parse().ok()) {
            // The field is a signed 32-bit number; all that is not one forbids.
            Some(millis @ 0_i32..) => {
                let pushback = Duration::from_millis(u64::from(millis.unsigned_abs()));
                verdict.retry_after = verdict.retry_after.max(Some(pushback));
            }
            _ => verdict.veto = true,
        }
    }
    if headers.contains_key(&RATE_LIMITED) {
        verdict.class = Class::Throttled;
        verdict.health = Health::Throttled;
        verdict.veto = true;
    }
    verdict
}
