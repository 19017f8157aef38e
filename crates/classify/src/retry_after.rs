use std::time::{Duration, SystemTime};

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};

static RETRY_AFTER_MS: [HeaderName; 2] = [
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-ms-retry-after-ms"),
];

/// How long the server asks to be left alone, if it says so in a form that can be read.
///
/// Reads `Retry-After` (seconds, or any of the three date forms of [RFC 9110 §5.6.7]) and
/// `retry-after-ms` (also `x-ms-retry-after-ms`). A date is measured against the response's own
/// `Date`, so that a wrong clock on either side does no harm; without one, against the system's
/// clock. A date in the past is zero, numbers saturate, a fraction counts to the next nanosecond,
/// and what cannot be read is ignored. Of several hints the longest wins: no caller that waits this
/// long is early.
///
/// ```
/// use std::time::Duration;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("date", "Sun, 06 Nov 1994 08:49:37 GMT".parse()?);
/// headers.insert("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT".parse()?);
/// assert_eq!(buttress_classify::retry_after(&headers), Some(Duration::from_secs(30)));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
///
/// [RFC 9110 §5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    retry_after_by(headers, SystemTime::now)
}

/// As [`retry_after`], with `clock` in place of the system's clock.
///
/// The clock is asked only when `Retry-After` is a date and the response has no `Date` to measure
/// it against.
#[must_use]
pub fn retry_after_by(headers: &HeaderMap, clock: impl Fn() -> SystemTime) -> Option<Duration> {
    let now = || headers.get(DATE).and_then(date).unwrap_or_else(&clock);
    let until = |then: SystemTime| then.duration_since(now()).unwrap_or(Duration::ZERO);
    let standard = headers
        .get_all(RETRY_AFTER)
        .iter()
        .filter_map(|value| seconds(value).or_else(|| date(value).map(until)));
    let millis = RETRY_AFTER_MS
        .iter()
        .flat_map(|name| headers.get_all(name))
        .filter_map(millis);
    standard.chain(millis).max()
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

fn seconds(value: &HeaderValue) -> Option<Duration> {
    let (whole, nanos) = decimal(value, 9)?;
    Some(Duration::from_secs(whole).saturating_add(Duration::from_nanos(nanos)))
}

fn millis(value: &HeaderValue) -> Option<Duration> {
    let (whole, nanos) = decimal(value, 6)?;
    Some(Duration::from_millis(whole).saturating_add(Duration::from_nanos(nanos)))
}

/// A decimal number: its whole part, and `digits` digits of its fraction, rounded up.
fn decimal(value: &HeaderValue, digits: usize) -> Option<(u64, u64)> {
    let mut parts = value
        .as_bytes()
        .trim_ascii()
        .splitn(2, |byte| *byte == b'.');
    let (whole, fraction) = (parts.next()?, parts.next().unwrap_or(b"0"));
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }

    let number = |sum: u64, digit: &u8| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    let padded = fraction.iter().chain(std::iter::repeat(&b'0'));
    let up = u64::from(fraction.iter().skip(digits).any(|digit| *digit != b'0'));
    Some((
        whole.iter().fold(0, number),
        padded.take(digits).fold(0, number) + up,
    ))
}
