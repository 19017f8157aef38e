use std::borrow::Cow;

use http::HeaderValue;

use crate::IdempotencyKey;
use crate::error::{Flaw, InvalidKey};

/// The key in a header's value, in either form.
pub(crate) fn parse(text: &[u8]) -> Result<Cow<'_, [u8]>, InvalidKey> {
    let text = text.trim_ascii();
    let key = match text.strip_prefix(b"\"") {
        Some(rest) => Cow::Owned(string(rest)?),
        None => Cow::Borrowed(text),
    };
    if key.is_empty() {
        return Err(Flaw::Empty.into());
    }
    if key.len() > IdempotencyKey::MAX_LEN {
        return Err(Flaw::TooLong.into());
    }
    if key.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        Ok(key)
    } else {
        Err(Flaw::Character.into())
    }
}

/// The string whose opening quote has been read, and parameters after it.
fn string(text: &[u8]) -> Result<Vec<u8>, InvalidKey> {
    let (key, rest) = unescape(text)?;
    if parameters(rest) {
        Ok(key)
    } else {
        Err(Flaw::Trailing.into())
    }
}

/// The string up to its closing quote, and what follows.
fn unescape(text: &[u8]) -> Result<(Vec<u8>, &[u8]), InvalidKey> {
    let mut key = Vec::new();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return Ok((key, bytes.as_slice())),
            b'\\' => match bytes.next() {
                Some(&escaped @ (b'"' | b'\\')) => key.push(escaped),
                _ => return Err(Flaw::Escape.into()),
            },
            b' '..=b'~' => key.push(byte),
            _ => return Err(Flaw::Character.into()),
        }
    }
    Err(Flaw::Unterminated.into())
}

/// Is this nothing, or parameters as RFC 8941 §3.1.2 has them? A comma would begin another value.
fn parameters(mut rest: &[u8]) -> bool {
    while let Some(after) = rest.strip_prefix(b";") {
        let name = after.trim_ascii_start();
        if !name
            .first()
            .is_some_and(|byte| matches!(byte, b'a'..=b'z' | b'*'))
        {
            return false;
        }
        rest = past(
            name,
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'),
        );
        if let Some(value) = rest.strip_prefix(b"=") {
            rest = match value.strip_prefix(b"\"").map(unescape) {
                Some(Ok((_, rest))) => rest,
                Some(Err(_)) => return false,
                None => past(value, |byte| {
                    byte.is_ascii_graphic() && !b"\"(),;<=>@[\\]{}".contains(&byte) || byte == b'='
                }),
            };
            if rest.len() == value.len() {
                return false;
            }
        }
    }
    rest.is_empty()
}

fn past(text: &[u8], belongs: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|&byte| !belongs(byte));
    end.map_or(&[], |end| text.split_at(end).1)
}

/// The key as the string of RFC 8941 §3.3.3.
pub(crate) fn quote(key: &IdempotencyKey) -> HeaderValue {
    let key = key.as_bytes();
    let mut text = Vec::with_capacity(key.len() + 2);
    text.push(b'"');
    for &byte in key {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.push(b'"');
    sensitive(text)
}

/// The header value of bytes that are known to be printable ASCII.
pub(crate) fn sensitive(text: impl TryInto<HeaderValue>) -> HeaderValue {
    let Ok(mut value) = text.try_into() else {
        unreachable!("printable ASCII is a header value")
    };
    value.set_sensitive(true);
    value
}
