use std::error::Error;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::mac;

/// What keys and fingerprints are derived with.
///
/// Take 32 random bytes and keep them as long as the operations they name: another secret makes
/// other keys, and a provider takes another key for another operation. Memory is wiped when the
/// last clone is dropped; `Debug` shows nothing.
#[derive(Clone)]
pub struct DerivationSecret(Arc<Zeroizing<Box<[u8]>>>);

impl DerivationSecret {
    /// The fewest bytes that a secret may have.
    pub const MIN_LEN: usize = 16;

    /// A secret of these bytes.
    ///
    /// # Errors
    ///
    /// [`WeakSecret`] when there are fewer than [`MIN_LEN`](Self::MIN_LEN) of them.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, WeakSecret> {
        let secret = secret.as_ref();
        if secret.len() < Self::MIN_LEN {
            return Err(WeakSecret(()));
        }
        Ok(Self(Arc::new(Zeroizing::new(secret.into()))))
    }

    pub(crate) fn mac(&self, fields: &[&[u8]]) -> [u8; 32] {
        mac::mac(&self.0, fields)
    }
}

impl fmt::Debug for DerivationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivationSecret(..)")
    }
}

/// A secret is empty, or shorter than [`DerivationSecret::MIN_LEN`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WeakSecret(());

impl fmt::Display for WeakSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret shorter than {} bytes", DerivationSecret::MIN_LEN)
    }
}

impl Error for WeakSecret {}
