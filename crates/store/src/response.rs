use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{StoreError, StoreErrorKind, codec};

/// An answer as it is stored: a versioned binary record of status, headers, body and flags.
///
/// The order of headers, repeated ones and bytes beyond ASCII in their values (`obs-text`, RFC 9110
/// section 5.5) are kept. Encoded once, when it is made; a clone shares the bytes. Reads the format
/// of the version before its own too.
#[derive(Clone, Eq, PartialEq)]
pub struct StoredResponse {
    encoded: Bytes,
}

impl StoredResponse {
    /// The record of this answer.
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        Self {
            encoded: codec::encode(0, status, headers, body),
        }
    }

    /// The record of an answer whose body was too large to keep.
    ///
    /// The key is completed all the same: its handler must not run again.
    #[must_use]
    pub fn without_body(status: StatusCode, headers: &HeaderMap) -> Self {
        Self {
            encoded: codec::encode(codec::BODY_DROPPED, status, headers, &[]),
        }
    }

    /// A record that only its wrapper can read: for stores that encrypt.
    #[must_use]
    pub fn sealed(contents: &[u8]) -> Self {
        let mut encoded = Vec::with_capacity(contents.len() + 2);
        encoded.extend([codec::VERSION, codec::SEALED]);
        encoded.extend_from_slice(contents);
        Self {
            encoded: encoded.into(),
        }
    }

    /// Reads what [`encoded`](Self::encoded) gave, of this version or the one before, all of it.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) for a newer version or an unknown flag,
    /// [`Corrupt`](StoreErrorKind::Corrupt) for everything else that is no record.
    pub fn decode(encoded: Bytes) -> Result<Self, StoreError> {
        Self::decode_up_to(encoded, codec::VERSION)
    }

    /// The same, as a reader would that knows no version after `newest`.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    pub fn decode_up_to(encoded: Bytes, newest: u8) -> Result<Self, StoreError> {
        let head = codec::head(&encoded, newest.min(codec::VERSION))?;
        if head.flags & codec::SEALED == 0 {
            codec::decode(head.rest)?;
        }
        Ok(Self { encoded })
    }

    /// The bytes to store.
    #[must_use]
    pub const fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// The answer. Its body shares the record's bytes.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) when the record is sealed: it was written
    /// through an encrypting wrapper and read without it.
    pub fn to_response(&self) -> Result<http::Response<Bytes>, StoreError> {
        let head = codec::head(&self.encoded, codec::VERSION)?;
        if head.flags & codec::SEALED == 0 {
            codec::decode(head.rest)
        } else {
            Err(StoreError::new(
                StoreErrorKind::Unsupported,
                "reading a sealed response",
            ))
        }
    }

    /// Whether the body was too large to keep.
    #[must_use]
    pub fn is_body_dropped(&self) -> bool {
        self.flags() & codec::BODY_DROPPED != 0
    }

    /// What [`sealed`](Self::sealed) was given, if this is such a record.
    #[must_use]
    pub fn sealed_contents(&self) -> Option<Bytes> {
        (self.flags() & codec::SEALED != 0).then(|| self.encoded.slice(2..))
    }

    /// The same answer, its body dropped; a sealed record stays as it is.
    ///
    /// # Errors
    ///
    /// None on a record that [`decode`](Self::decode) or a constructor made.
    pub fn drop_body(&self) -> Result<Self, StoreError> {
        if self.sealed_contents().is_some() {
            return Ok(self.clone());
        }
        let response = self.to_response()?;
        Ok(Self::without_body(response.status(), response.headers()))
    }

    fn flags(&self) -> u8 {
        codec::head(&self.encoded, codec::VERSION).map_or(0, |head| head.flags)
    }
}

impl fmt::Debug for StoredResponse {
    /// The size alone: answers hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredResponse")
            .field("encoded_len", &self.encoded.len())
            .finish_non_exhaustive()
    }
}
