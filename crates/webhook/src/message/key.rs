use std::fmt;

use crate::encoding::Tag;
use crate::mac::{Algorithm, Keys};
use crate::{InvalidSecret, Secrets};

/// A key, and the one algorithm that it is used with.
///
/// The algorithm is the key's, never the message's: a signature that names another is refused.
#[derive(Clone)]
pub struct MessageKey {
    kind: std::sync::Arc<Kind>,
    pub(super) id: Option<String>,
}

enum Kind {
    #[cfg(feature = "p256")]
    EcdsaP256(crate::VerifyingKey),
    #[cfg(feature = "ed25519")]
    Ed25519(crate::ed25519::Key),
    Hmac(Keys),
    #[cfg(feature = "rsa")]
    Rsa(crate::VerifyingKey, crate::keys::RsaAlgorithm),
}

impl MessageKey {
    /// A shared secret, for `hmac-sha256`; its bytes are the key.
    ///
    /// # Errors
    /// [`InvalidSecret`] when it is empty.
    pub fn hmac_sha256(secret: impl Into<Secrets>) -> Result<Self, InvalidSecret> {
        let keys = Keys::raw(Algorithm::Sha256, &secret.into())?;
        Ok(Self::new(Kind::Hmac(keys)))
    }

    /// The 32 bytes of a public key, for `ed25519`, verified strictly.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::InvalidKey) when it is none, or a point of small order.
    #[cfg(feature = "ed25519")]
    pub fn ed25519(public_key: &[u8]) -> Result<Self, crate::InvalidKey> {
        crate::ed25519::Key::new(public_key)
            .map(|key| Self::new(Kind::Ed25519(key)))
            .map_err(|_| crate::InvalidKey::new())
    }

    /// A P-256 key, for `ecdsa-p256-sha256`.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::InvalidKey) when it is of another kind.
    #[cfg(feature = "p256")]
    pub fn ecdsa_p256_sha256(key: crate::VerifyingKey) -> Result<Self, crate::InvalidKey> {
        if !key.is_p256() {
            return Err(crate::InvalidKey::new());
        }
        Ok(Self::new(Kind::EcdsaP256(key)))
    }

    /// An RSA key of at least 2048 bits, for `rsa-pss-sha512`, with a salt of 64 bytes.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::InvalidKey) when it is of another kind.
    #[cfg(feature = "rsa")]
    pub fn rsa_pss_sha512(key: crate::VerifyingKey) -> Result<Self, crate::InvalidKey> {
        Self::rsa(key, crate::keys::RsaAlgorithm::PssSha512)
    }

    /// An RSA key of at least 2048 bits, for `rsa-v1_5-sha256`.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::InvalidKey) when it is of another kind.
    #[cfg(feature = "rsa")]
    pub fn rsa_v1_5_sha256(key: crate::VerifyingKey) -> Result<Self, crate::InvalidKey> {
        Self::rsa(key, crate::keys::RsaAlgorithm::Pkcs1Sha256)
    }

    #[cfg(feature = "rsa")]
    fn rsa(
        key: crate::VerifyingKey,
        algorithm: crate::keys::RsaAlgorithm,
    ) -> Result<Self, crate::InvalidKey> {
        if !key.is_rsa() {
            return Err(crate::InvalidKey::new());
        }
        Ok(Self::new(Kind::Rsa(key, algorithm)))
    }

    /// Uses it only for signatures that name this `keyid`. Default: for any.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    fn new(kind: Kind) -> Self {
        Self {
            kind: std::sync::Arc::new(kind),
            id: None,
        }
    }

    /// Its algorithm's name in the registry of RFC 9421 §6.2.
    pub(super) fn algorithm(&self) -> &'static str {
        match &*self.kind {
            #[cfg(feature = "p256")]
            Kind::EcdsaP256(_) => "ecdsa-p256-sha256",
            #[cfg(feature = "ed25519")]
            Kind::Ed25519(_) => "ed25519",
            Kind::Hmac(_) => "hmac-sha256",
            #[cfg(feature = "rsa")]
            Kind::Rsa(_, crate::keys::RsaAlgorithm::PssSha512) => "rsa-pss-sha512",
            #[cfg(feature = "rsa")]
            Kind::Rsa(..) => "rsa-v1_5-sha256",
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.kind {
            #[cfg(feature = "p256")]
            Kind::EcdsaP256(key) => {
                use sha2::Digest as _;
                key.verify_p256_fixed(&sha2::Sha256::digest(message), signature)
            }
            #[cfg(feature = "ed25519")]
            Kind::Ed25519(key) => signature
                .try_into()
                .is_ok_and(|signature| key.verify(message, signature)),
            Kind::Hmac(keys) => {
                let whole = signature.len() == Algorithm::Sha256.len();
                let tag = whole.then(|| Tag::of(signature));
                keys.find(&[tag], |each| each(message)).is_some()
            }
            #[cfg(feature = "rsa")]
            Kind::Rsa(key, algorithm) => key.verify_rsa(*algorithm, message, signature),
        }
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageKey")
            .field("algorithm", &self.algorithm())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
