use std::fmt;
use std::future::{Ready, ready};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_event::Source;
use http::HeaderName;
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::{base64_key, header};
use crate::head::{seconds, single};
use crate::hmac::{near, since_epoch};
use crate::secret::Fault;
use crate::{
    Covered, Delivery, Facts, InvalidSecret, Refused, Scheme, Secrets, Verdict, VerifyingKey,
};

const SIGNATURE: HeaderName = header("x-twilio-email-event-webhook-signature");
const TIMESTAMP: HeaderName = header("x-twilio-email-event-webhook-timestamp");

/// SendGrid's event webhook.
///
/// | | |
/// |---|---|
/// | Signed | `X-Twilio-Email-Event-Webhook-Timestamp`, body; nothing in between, so the time must have its ten digits |
/// | Signature | `X-Twilio-Email-Event-Webhook-Signature`: base64 of ECDSA P-256 with SHA-256, in DER |
/// | Key | base64 of the public key (`SubjectPublicKeyInfo`), as SendGrid shows it |
/// | Window | none by default, as in SendGrid's library; [`SendGridScheme::window`] sets one |
/// | Event id | none for the batch, whose items have `sg_event_id`: the body decides what is a duplicate |
///
/// Source: `www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features`.
///
/// # Errors
/// [`InvalidSecret`] when a key is not in this form, or there are more than four.
pub fn sendgrid(keys: impl Into<Secrets>) -> Result<SendGridScheme, InvalidSecret> {
    let keys = keys.into().parse(|key| {
        VerifyingKey::p256_spki_der(&base64_key(key)?)
            .map_err(|_| Fault::WrongKind("a P-256 public key"))
    })?;
    Ok(SendGridScheme {
        keys,
        facts: Facts {
            covers: vec![Covered::Header(TIMESTAMP), Covered::Body],
            ..Facts::new(Source::from_static("sendgrid"))
        },
    })
}

/// The scheme of [`sendgrid`].
pub struct SendGridScheme {
    keys: Vec<VerifyingKey>,
    facts: Facts,
}

impl SendGridScheme {
    /// Sets how far the signed time may lie from now, in either direction. Default: as far as it
    /// likes.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.facts.window = Some(window);
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    fn judge(&self, hash: Sha256, delivery: &Delivery<'_>) -> Result<Verdict, Refused> {
        let headers = &delivery.head.headers;
        let signature = STANDARD
            .decode(single(headers, &SIGNATURE)?)
            .map_err(|_| Refused::Mismatch)?;
        let hash = hash.finalize();
        let index = self
            .keys
            .iter()
            .position(|key| key.verify_p256_der(&hash, &signature))
            .ok_or(Refused::Mismatch)?;

        let receipt = self.facts.receipt().with_secret_index(index);
        let number = seconds(single(headers, &TIMESTAMP)?);
        let signed = Duration::from_secs(number.ok_or(Refused::Malformed)?);
        let now = Duration::from_secs(since_epoch(delivery.now).as_secs());
        let at = near(signed, now, self.facts.window)?;
        Ok(Verdict::Verified(receipt.with_timestamp(at)))
    }
}

impl Scheme for SendGridScheme {
    type Progress = Sha256;
    type Finish = Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, head: &Parts) -> Result<Sha256, Refused> {
        single(&head.headers, &SIGNATURE)?;
        let mut hash = Sha256::new();
        hash.update(single(&head.headers, &TIMESTAMP)?);
        Ok(hash)
    }

    fn update(&self, hash: &mut Sha256, piece: &[u8]) {
        hash.update(piece);
    }

    fn finish(&self, hash: Sha256, delivery: &Delivery<'_>) -> Self::Finish {
        ready(self.judge(hash, delivery))
    }
}

impl fmt::Debug for SendGridScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendGridScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
