//! The layout of a stored response. Golden vectors in the tests hold it still.
//!
//! Version 2: `2`, flags, then (unless sealed) status as two bytes, the number of headers, each
//! name and value behind its length, and the body behind its length. Version 1 has no flags.
//! Numbers but the status are LEB128: seven bits a byte, lowest first.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{StoreError, StoreErrorKind};

pub(crate) const VERSION: u8 = 2;
pub(crate) const BODY_DROPPED: u8 = 1;
pub(crate) const SEALED: u8 = 2;

pub(crate) struct Head {
    pub(crate) flags: u8,
    pub(crate) rest: Bytes,
}

pub(crate) fn head(encoded: &Bytes, newest: u8) -> Result<Head, StoreError> {
    match *encoded.as_ref() {
        [1, ..] => Ok(Head {
            flags: 0,
            rest: encoded.slice(1..),
        }),
        [version, ..] if version > newest => Err(unsupported()),
        [2, flags, ..] if flags & !(BODY_DROPPED | SEALED) == 0 => Ok(Head {
            flags,
            rest: encoded.slice(2..),
        }),
        [2, _, ..] => Err(unsupported()),
        _ => Err(corrupt()),
    }
}

pub(crate) fn encode(flags: u8, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Bytes {
    let fields: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 8)
        .sum();
    let mut out = Vec::with_capacity(fields + body.len() + 24);
    out.extend([VERSION, flags]);
    out.extend(status.as_u16().to_be_bytes());
    number(&mut out, headers.len());
    for (name, value) in headers {
        chunk(&mut out, name.as_str().as_bytes());
        chunk(&mut out, value.as_bytes());
    }
    chunk(&mut out, body);
    out.into()
}

pub(crate) fn decode(mut rest: Bytes) -> Result<http::Response<Bytes>, StoreError> {
    let status = u16::from_be_bytes([take_byte(&mut rest)?, take_byte(&mut rest)?]);
    let mut response = http::Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).map_err(damaged)?;
    let count = take_number(&mut rest)?;
    for _ in 0..count {
        let name = HeaderName::from_bytes(&take_chunk(&mut rest)?).map_err(damaged)?;
        let value = HeaderValue::from_maybe_shared(take_chunk(&mut rest)?).map_err(damaged)?;
        response
            .headers_mut()
            .try_append(name, value)
            .map_err(damaged)?;
    }
    *response.body_mut() = take_chunk(&mut rest)?;
    if rest.is_empty() {
        Ok(response)
    } else {
        Err(corrupt())
    }
}

fn number(out: &mut Vec<u8>, number: usize) {
    let mut left = number;
    while left > 0x7f {
        out.push(low_byte(left) | 0x80);
        left >>= 7;
    }
    out.push(low_byte(left));
}

const fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take(rest: &mut Bytes, length: usize) -> Result<Bytes, StoreError> {
    if length > rest.len() {
        return Err(corrupt());
    }
    Ok(rest.split_to(length))
}

fn take_byte(rest: &mut Bytes) -> Result<u8, StoreError> {
    rest.try_get_u8().map_err(damaged)
}

fn take_number(rest: &mut Bytes) -> Result<usize, StoreError> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = take_byte(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(number).map_err(damaged);
        }
    }
    Err(corrupt())
}

fn take_chunk(rest: &mut Bytes) -> Result<Bytes, StoreError> {
    let length = take_number(rest)?;
    take(rest, length)
}

fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "decoding a response")
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    corrupt().caused_by(error)
}

fn unsupported() -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, "decoding a response")
}
