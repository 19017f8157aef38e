use std::borrow::Cow;

use http::HeaderName;
use http::request::Parts;
use memchr::memchr;

use crate::head::single;
use crate::{PublicUrl, Refused};

/// Something that is signed besides the body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Part {
    /// The value of a header, exactly as it came.
    Header(HeaderName),
    /// The method.
    Method,
    /// A fixed text, usually a separator.
    Text(Cow<'static, str>),
    /// The number of the [`Timestamp`](super::Timestamp); it has but one spelling.
    Timestamp,
    /// The URL under which the sender knows this endpoint.
    Url(PublicUrl),
}

impl Part {
    /// A fixed text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }
}

/// Hands on the bytes of these parts; `time` is the timestamp's number in digits.
pub(crate) fn feed(
    parts: &[Part],
    head: &Parts,
    time: Option<&[u8]>,
    each: &mut (impl FnMut(&[u8]) + ?Sized),
) -> Result<(), Refused> {
    feed_with(parts, head, |_| None, time, each)
}

/// As [`feed`], where a header may be known already by its place among the parts.
#[inline]
pub(super) fn feed_with<'a>(
    parts: &[Part],
    head: &'a Parts,
    known: impl Fn(usize) -> Option<&'a [u8]>,
    time: Option<&[u8]>,
    each: &mut (impl FnMut(&[u8]) + ?Sized),
) -> Result<(), Refused> {
    for (place, part) in parts.iter().enumerate() {
        match part {
            Part::Header(name) => {
                let value = match known(place) {
                    Some(value) => value,
                    None => single(&head.headers, name)?,
                };
                // A value that contains the separator after it could be cut in two ways.
                if let Some(Part::Text(text)) = parts.get(place + 1)
                    && contains(value, text.as_bytes())
                {
                    return Err(Refused::Malformed);
                }
                each(value);
            }
            Part::Method => each(head.method.as_str().as_bytes()),
            Part::Text(text) => each(text.as_bytes()),
            Part::Timestamp => each(time.ok_or(Refused::Missing)?),
            Part::Url(url) => url.pieces(head, &mut |piece| each(piece)),
        }
    }
    Ok(())
}

fn contains(value: &[u8], text: &[u8]) -> bool {
    match text {
        [] => false,
        [byte] => memchr(*byte, value).is_some(),
        _ => value.windows(text.len()).any(|window| window == text),
    }
}

/// A number in digits, without allocating.
pub(crate) fn digits(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut first = buffer.len();
    for (place, slot) in buffer.iter_mut().enumerate().rev() {
        *slot = b'0' + (number % 10) as u8;
        first = place;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    buffer.get(first..).unwrap_or_default()
}
