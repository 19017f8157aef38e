use std::fmt;
use std::time::SystemTime;

use ed25519_dalek::{Signer as _, SigningKey};
use http::{HeaderValue, Request};

use crate::encoding::{Encoding, encode};
use crate::hmac::{digits, feed, since_epoch};
use crate::schemes::{base64_key, v1a_form};
use crate::secret::Fault;
use crate::{InvalidSecret, SignError};

/// Signs requests as Standard Webhooks version 1a asks.
pub struct StandardWebhooksV1aSigner(SigningKey);

impl StandardWebhooksV1aSigner {
    /// A signer with a private key: `whsk_` and base64 of 64 bytes (seed and public key), or of the
    /// 32 bytes of the seed.
    ///
    /// # Errors
    /// [`InvalidSecret`] when it is not in this form, or when the two halves do not belong together.
    pub fn new(private_key: &str) -> Result<Self, InvalidSecret> {
        let invalid = |fault| InvalidSecret::new(0, fault);
        let text = private_key
            .strip_prefix("whsk_")
            .ok_or(invalid(Fault::WrongKind("a private key (whsk_)")))?;
        let bytes = zeroize::Zeroizing::new(base64_key(text.as_bytes()).map_err(invalid)?);
        let key = match bytes.len() {
            32 => bytes.as_slice().try_into().ok().map(SigningKey::from_bytes),
            64 => bytes
                .as_slice()
                .try_into()
                .ok()
                .and_then(|bytes| SigningKey::from_keypair_bytes(bytes).ok()),
            _ => None,
        };
        key.map(Self)
            .ok_or(invalid(Fault::WrongKind("an Ed25519 private key")))
    }

    /// The key that receivers verify with: `whpk_` and base64.
    #[must_use]
    pub fn public_key(&self) -> String {
        let key = self.0.verifying_key();
        format!("whpk_{}", encode(key.as_bytes(), Encoding::Base64))
    }

    /// Writes `webhook-timestamp` and `webhook-signature`; `webhook-id` must stand there already.
    ///
    /// # Errors
    /// [`SignError`] when the id is absent, repeated, or contains a `.`.
    pub fn sign<B: AsRef<[u8]>>(
        &self,
        request: &mut Request<B>,
        now: SystemTime,
    ) -> Result<(), SignError> {
        let form = v1a_form();
        let time = since_epoch(now).as_secs();
        request.headers_mut().insert(form.timestamp, time.into());
        let (mut head, ()) = Request::new(()).into_parts();
        head.headers.clone_from(request.headers());

        let mut message = Vec::new();
        let mut each = |piece: &[u8]| message.extend_from_slice(piece);
        feed(
            &form.before,
            &head,
            Some(digits(time, &mut [0; 20])),
            &mut each,
        )
        .map_err(|_| SignError::new())?;
        message.extend_from_slice(request.body().as_ref());
        let signature = encode(&self.0.sign(&message).to_bytes(), Encoding::Base64);
        let value = HeaderValue::from_str(&format!("v1a,{signature}"));
        let value = value.map_err(|_| SignError::new())?;
        request.headers_mut().insert(form.signature, value);
        Ok(())
    }
}

impl fmt::Debug for StandardWebhooksV1aSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandardWebhooksV1aSigner(..)")
    }
}
