use ed25519_dalek::{Signature, StreamVerifier, VerifyingKey};

use crate::secret::Fault;

/// A public key that is no point of small order: under one of those anything verifies.
#[derive(Clone)]
pub(crate) struct Key(VerifyingKey);

impl Key {
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, Fault> {
        let bytes = bytes
            .try_into()
            .map_err(|_| Fault::Length("32 bytes of an Ed25519 public key"))?;
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(Fault::WrongKind("a sound Ed25519 public key")),
        }
    }

    /// Begins to verify a message; `None` if no message can have this signature.
    ///
    /// With `finalize_and_verify` it comes to what `verify_strict` does: neither the key nor the
    /// signature's point R may be of small order, and R is compared as it is written.
    pub(crate) fn begin(&self, signature: &[u8; 64]) -> Option<StreamVerifier> {
        let signature = Signature::from_bytes(signature);
        let point = VerifyingKey::from_bytes(signature.r_bytes()).ok()?;
        if point.is_weak() {
            return None;
        }
        self.0.verify_stream(&signature).ok()
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    use super::*;

    fn streamed(key: &Key, message: &[u8], signature: &[u8; 64]) -> bool {
        key.begin(signature).is_some_and(|mut verifier| {
            verifier.update(message);
            verifier.finalize_and_verify().is_ok()
        })
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(Key::new(&identity).is_err());
        assert!(Key::new(&[0; 32]).is_err());
        assert!(Key::new(&[1; 31]).is_err());
    }

    #[test]
    fn a_signature_whose_point_is_of_small_order_is_refused() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let key = Key::new(key.verifying_key().as_bytes()).unwrap();
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(key.begin(&signature).is_none());
        assert!(!key.verify(b"", &signature));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn streaming_agrees_with_strict_verification(
            seed: [u8; 32],
            message in prop::collection::vec(any::<u8>(), 0..100),
            flip in 0_usize..512,
        ) {
            let signing = SigningKey::from_bytes(&seed);
            let key = Key::new(signing.verifying_key().as_bytes()).unwrap();
            let mut signature = signing.sign(&message).to_bytes();
            prop_assert!(streamed(&key, &message, &signature));
            prop_assert!(key.verify(&message, &signature));

            signature[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!streamed(&key, &message, &signature));
            prop_assert!(!key.verify(&message, &signature));
        }
    }
}
