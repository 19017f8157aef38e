use std::fmt;

use sha2::{Digest, Sha256};

/// The layout of [`RecordKey::derive`]: first byte of the hash's input and of the key itself.
const VERSION: u8 = 1;

/// The name of one record: a version byte, then a hash of everything that makes the key somebody's.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RecordKey([u8; Self::LEN]);

impl RecordKey {
    /// The length of [`as_bytes`](Self::as_bytes).
    pub const LEN: usize = 33;

    /// The key of these fields: namespace, scope, route, the client's key, in an order that stays.
    ///
    /// SHA-256 over each field behind its length, so that no two lists of fields look alike.
    #[must_use]
    pub fn derive(fields: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update([VERSION]);
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        let mut key = [VERSION; Self::LEN];
        key[1..].copy_from_slice(&hash.finalize());
        Self(key)
    }

    /// The key with these bytes, version byte first. A store takes any.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for RecordKey {
    /// The version and eight hex digits: enough to tell records apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [version, hash @ ..] = self.0;
        write!(f, "RecordKey(v{version}:")?;
        for byte in &hash[..4] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("..)")
    }
}
