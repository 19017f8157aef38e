use std::fmt;

use subtle::ConstantTimeEq;

use crate::{StoreError, StoreErrorKind};

/// What a key was used for: a version byte, then a keyed hash (HMAC) of the request.
///
/// A store neither makes nor understands one; it keeps the bytes and compares.
#[derive(Clone, Copy)]
pub struct Fingerprint([u8; Self::LEN]);

impl Fingerprint {
    /// The length of [`as_bytes`](Self::as_bytes).
    pub const LEN: usize = 33;

    /// The fingerprint with these bytes, version byte first.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Whether both stand for the same request. Takes the same time whatever the answer.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) when the versions differ: two ways of hashing
    /// say nothing about each other, and a guess would either refuse an honest repeat or replay an
    /// answer to another question.
    pub fn matches(&self, other: &Self) -> Result<bool, StoreError> {
        if self.0[0] != other.0[0] {
            return Err(StoreError::new(
                StoreErrorKind::Unsupported,
                "comparing fingerprints of different versions",
            ));
        }
        // By words: a comparison by bytes is as many steps as there are bytes.
        let differing = words(&self.0).zip(words(&other.0));
        let differing = differing.fold(0, |differing, (mine, theirs)| differing | (mine ^ theirs));
        Ok(differing.ct_eq(&0).into())
    }
}

/// All but the version.
fn words([_, hash @ ..]: &[u8; Fingerprint::LEN]) -> impl Iterator<Item = u64> {
    let (words, _) = hash.as_chunks();
    words.iter().map(|word| u64::from_ne_bytes(*word))
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}
