use std::fmt;
#[cfg(feature = "rsa")]
use std::sync::Arc;

use crate::InvalidKey;

/// A public key, ready to verify with.
#[derive(Clone)]
pub struct VerifyingKey(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "p256")]
    P256(p256::ecdsa::VerifyingKey),
    /// PKCS#1.
    #[cfg(feature = "rsa")]
    Rsa(Arc<[u8]>),
}

impl VerifyingKey {
    #[cfg(feature = "p256")]
    pub(crate) const fn is_p256(&self) -> bool {
        matches!(self.0, Kind::P256(_))
    }

    #[cfg(feature = "rsa")]
    pub(crate) const fn is_rsa(&self) -> bool {
        matches!(self.0, Kind::Rsa(_))
    }
}

/// RSA, as a sender may use it.
#[cfg(feature = "rsa")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RsaAlgorithm {
    Pkcs1Sha1,
    Pkcs1Sha256,
    PssSha512,
}

#[cfg(feature = "rsa")]
impl VerifyingKey {
    /// The key of the first certificate of a PEM text.
    ///
    /// Nothing else of the certificate is looked at: you vouch for it.
    ///
    /// # Errors
    /// [`InvalidKey`] when there is no certificate, or its key is not RSA.
    pub fn from_certificate_pem(pem: &str) -> Result<Self, InvalidKey> {
        use rustls_pki_types::CertificateDer;
        use rustls_pki_types::pem::PemObject as _;

        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        Self::from_certificate(&certificate.map_err(|_| InvalidKey::new())?)
    }

    pub(crate) fn from_certificate(
        certificate: &rustls_pki_types::CertificateDer<'_>,
    ) -> Result<Self, InvalidKey> {
        let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| InvalidKey::new())?;
        Self::rsa_spki_der(&parsed.subject_public_key_info())
    }

    /// An RSA key as a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`InvalidKey`] when it is none.
    pub fn rsa_spki_der(spki: &[u8]) -> Result<Self, InvalidKey> {
        let key = super::der::rsa_key(spki).ok_or(InvalidKey::new())?;
        Ok(Self(Kind::Rsa(key.into())))
    }

    pub(crate) fn verify_rsa(
        &self,
        algorithm: RsaAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        use ring::signature::{
            RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
            RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
        };

        let algorithm = match algorithm {
            RsaAlgorithm::Pkcs1Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            RsaAlgorithm::Pkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            RsaAlgorithm::PssSha512 => &RSA_PSS_2048_8192_SHA512,
        };
        match &self.0 {
            Kind::Rsa(key) => UnparsedPublicKey::new(algorithm, key)
                .verify(message, signature)
                .is_ok(),
            #[cfg(feature = "p256")]
            Kind::P256(_) => false,
        }
    }
}

#[cfg(feature = "p256")]
impl VerifyingKey {
    /// A P-256 key as a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`InvalidKey`] when it is none.
    pub fn p256_spki_der(spki: &[u8]) -> Result<Self, InvalidKey> {
        use p256::pkcs8::DecodePublicKey as _;

        p256::ecdsa::VerifyingKey::from_public_key_der(spki)
            .map(|key| Self(Kind::P256(key)))
            .map_err(|_| InvalidKey::new())
    }

    /// A P-256 key as a JSON Web Key: `kty` is `EC`, `crv` is `P-256`, and `alg`, if any, `ES256`.
    ///
    /// # Errors
    /// [`InvalidKey`] when it is none.
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, InvalidKey> {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;

        let member = |name: &str| jwk.get(name).and_then(serde_json::Value::as_str);
        let fits = member("kty") == Some("EC")
            && member("crv") == Some("P-256")
            && matches!(member("alg"), None | Some("ES256"))
            && matches!(member("use"), None | Some("sig"));
        let coordinate = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(member(name)?).ok()?;
            (bytes.len() == 32).then_some(bytes)
        };
        let (true, Some(x), Some(y)) = (fits, coordinate("x"), coordinate("y")) else {
            return Err(InvalidKey::new());
        };
        let point = [&[4], x.as_slice(), &y].concat();
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point)
            .map(|key| Self(Kind::P256(key)))
            .map_err(|_| InvalidKey::new())
    }

    /// Verifies a signature of r and s, 32 bytes each, over what has this SHA-256.
    pub(crate) fn verify_p256_fixed(&self, hash: &[u8], signature: &[u8]) -> bool {
        p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| self.verify_p256(hash, &signature))
    }

    /// Verifies a signature in DER over what has this SHA-256.
    pub(crate) fn verify_p256_der(&self, hash: &[u8], signature: &[u8]) -> bool {
        p256::ecdsa::Signature::from_der(signature)
            .is_ok_and(|signature| self.verify_p256(hash, &signature))
    }

    fn verify_p256(&self, hash: &[u8], signature: &p256::ecdsa::Signature) -> bool {
        use p256::ecdsa::signature::hazmat::PrehashVerifier as _;

        match &self.0 {
            Kind::P256(key) => key.verify_prehash(hash, signature).is_ok(),
            #[cfg(feature = "rsa")]
            Kind::Rsa(_) => false,
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            #[cfg(feature = "p256")]
            Kind::P256(_) => "VerifyingKey(P-256)",
            #[cfg(feature = "rsa")]
            Kind::Rsa(_) => "VerifyingKey(RSA)",
        })
    }
}
