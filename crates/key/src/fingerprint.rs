use std::error::Error;
use std::fmt;

use http::{Method, Uri};
use subtle::ConstantTimeEq;

use crate::{DerivationSecret, mac};

/// What a key was used for: a keyed hash of method, path, query and body.
///
/// Persist it beside the key, and a later request under that key can be checked against it before
/// it is sent. It is the same in every process that has the secret; without the secret nobody can
/// find the body from it by trying. Comparison is constant-time.
#[derive(Clone, Copy, Eq)]
pub struct Fingerprint([u8; Self::LEN]);

impl Fingerprint {
    /// The length of [`as_bytes`](Self::as_bytes): a version byte, and HMAC-SHA256.
    pub const LEN: usize = 33;

    /// The fingerprint of a request with this body.
    ///
    /// Scheme and host do not count, so that it survives a change of the provider's address.
    #[must_use]
    pub fn new(secret: &DerivationSecret, method: &Method, uri: &Uri, body: &[u8]) -> Self {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mac = secret.mac(&[
            b"fingerprint",
            method.as_str().as_bytes(),
            target.as_bytes(),
            body,
        ]);
        let mut bytes = [mac::VERSION; Self::LEN];
        bytes[1..].copy_from_slice(&mac);
        Self(bytes)
    }

    /// The bytes to persist.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Reads what [`as_bytes`](Self::as_bytes) gave.
    ///
    /// # Errors
    ///
    /// [`UnreadableFingerprint`] when the length is wrong or the version unknown.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnreadableFingerprint> {
        match <[u8; Self::LEN]>::try_from(bytes) {
            Ok(bytes) if bytes[0] == mac::VERSION => Ok(Self(bytes)),
            _ => Err(UnreadableFingerprint {
                version: bytes.first().copied(),
            }),
        }
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// Persisted bytes are no fingerprint of this version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnreadableFingerprint {
    version: Option<u8>,
}

impl UnreadableFingerprint {
    /// The version byte found; `None` when there was nothing to read.
    #[must_use]
    pub const fn version(&self) -> Option<u8> {
        self.version
    }
}

impl fmt::Display for UnreadableFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fingerprint of an unknown version or length")
    }
}

impl Error for UnreadableFingerprint {}
