use std::fmt;

use crate::{StoreError, StoreErrorKind};

/// 128 random bits that name one claim.
///
/// The caller draws it before it begins, so a begin whose answer was lost can be repeated and finds
/// its own claim.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Token([u8; Self::LEN]);

impl Token {
    /// The length of [`as_bytes`](Self::as_bytes).
    pub const LEN: usize = 16;

    /// The token of a record that was adopted, and of no claim.
    pub const NOBODY: Self = Self([0; Self::LEN]);

    /// A new token from the operating system's generator.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreErrorKind::Unavailable) when the generator fails; it does not on the
    /// systems that Rust's standard library supports.
    pub fn random() -> Result<Self, StoreError> {
        let mut bytes = [0; Self::LEN];
        getrandom::fill(&mut bytes).map_err(|error| {
            StoreError::new(StoreErrorKind::Unavailable, "drawing a token").caused_by(error)
        })?;
        Ok(Self(bytes))
    }

    /// The token with these bytes.
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

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
