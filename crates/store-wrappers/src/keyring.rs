use std::error::Error;
use std::fmt;
use std::sync::Arc;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

/// The keys that answers are encrypted with: one to write with, any number to read with.
///
/// A key is known by a number that is stored beside what it encrypted. To rotate, make a ring with
/// the new key that also reads the old one; drop the old one when the longest retention has
/// passed. Keys are wiped from memory with the last clone; `Debug` shows their numbers alone.
#[derive(Clone)]
pub struct Keyring {
    /// The first one writes.
    keys: Arc<[(u32, XChaCha20Poly1305)]>,
}

impl Keyring {
    /// The length of a secret, in bytes.
    pub const SECRET_LEN: usize = 32;

    /// A ring that writes and reads with this key. Take 32 bytes from the system's generator.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] when the secret is all zero.
    pub fn new(id: u32, secret: &[u8; Self::SECRET_LEN]) -> Result<Self, InvalidKey> {
        Ok(Self {
            keys: Arc::new([(id, cipher(id, secret)?)]),
        })
    }

    /// The same ring, reading with this key too.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] when the secret is all zero, or a key of this number is in the ring already.
    pub fn also_reads(&self, id: u32, secret: &[u8; Self::SECRET_LEN]) -> Result<Self, InvalidKey> {
        if self.find(id).is_some() {
            return Err(InvalidKey {
                id,
                fault: "its number is taken",
            });
        }
        let new = (id, cipher(id, secret)?);
        Ok(Self {
            keys: self.keys.iter().cloned().chain([new]).collect(),
        })
    }

    pub(crate) fn writer(&self) -> Option<(u32, &XChaCha20Poly1305)> {
        self.keys.first().map(|(id, cipher)| (*id, cipher))
    }

    pub(crate) fn find(&self, id: u32) -> Option<&XChaCha20Poly1305> {
        let found = self.keys.iter().find(|(known, _)| *known == id)?;
        Some(&found.1)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

fn cipher(id: u32, secret: &[u8; 32]) -> Result<XChaCha20Poly1305, InvalidKey> {
    if secret.iter().all(|byte| *byte == 0) {
        return Err(InvalidKey {
            id,
            fault: "it is all zero",
        });
    }
    Ok(XChaCha20Poly1305::new(secret.into()))
}

/// A key that no [`Keyring`] takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidKey {
    id: u32,
    fault: &'static str,
}

impl InvalidKey {
    /// The number of the key.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "encryption key {} refused: {}", self.id, self.fault)
    }
}

impl Error for InvalidKey {}
