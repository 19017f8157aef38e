mod text;

use std::fmt;
use std::future::{Ready, ready};

use buttress_event::{Bound, EventId, Source};
use http::HeaderName;
use http::request::Parts;
use sha2::{Digest, Sha256};

use self::text::{body_hash, sorted, spellings};
use super::header;
use crate::encoding::{LOWER_CASE, Tag, encode, hex};
use crate::head::{optional, single};
use crate::mac::{Algorithm, Keys, equal};
use crate::scheme::IdKind;
use crate::{
    Covered, Delivery, Encoding, Facts, InvalidSecret, PublicUrl, Refused, Scheme, Secrets, Verdict,
};

/// Twilio, signed with the account's auth token: forms, and JSON with `bodySHA256`.
///
/// | | |
/// |---|---|
/// | Signed | URL, then each form field's name and value, sorted; or the URL, with the body's SHA-256 at its end |
/// | Signature | `X-Twilio-Signature`: base64 of HMAC-SHA1 |
/// | Secret | the auth token |
/// | Window | none: Twilio signs no time |
/// | Event id | none of Twilio's; a hash of what is signed stands for it |
///
/// Which of the two it is, the signed URL says. It is tried as configured, without its port, and with
/// the scheme's usual port. Names and values are joined without separators, so text can be moved between
/// a field and its neighbour: a form is [`Bound::Weak`], and its dedupe key is made of the signed text,
/// which such a move leaves as it is, not of the body.
///
/// A voice call asks for its next step by such requests: answer those, do not deduplicate them.
///
/// Source: `www.twilio.com/docs/usage/security#validating-requests` and Twilio's helper libraries.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn twilio(url: PublicUrl, secrets: impl Into<Secrets>) -> Result<TwilioScheme, InvalidSecret> {
    TwilioScheme::new(url, Algorithm::Sha1, &secrets.into())
}

/// Twilio, signed with a shared key: as [`twilio`], but by HMAC-SHA256.
///
/// `X-Twilio-Webhooks-Signature-Settings` must say so; all secrets are tried, whatever key it names. A
/// header never chooses between this and the auth token: a scheme takes one of the two.
///
/// Source: the request validator of Twilio's Python library, 9.13. No vector of Twilio's own was found.
///
/// # Errors
/// As [`twilio`].
pub fn twilio_shared_key(
    url: PublicUrl,
    secrets: impl Into<Secrets>,
) -> Result<TwilioScheme, InvalidSecret> {
    TwilioScheme::new(url, Algorithm::Sha256, &secrets.into())
}

const SIGNATURE: HeaderName = header("x-twilio-signature");
const SETTINGS: HeaderName = header("x-twilio-webhooks-signature-settings");

/// The scheme of [`twilio`] and [`twilio_shared_key`].
pub struct TwilioScheme {
    url: PublicUrl,
    algorithm: Algorithm,
    keys: Keys,
    facts: Facts,
}

impl TwilioScheme {
    fn new(url: PublicUrl, algorithm: Algorithm, secrets: &Secrets) -> Result<Self, InvalidSecret> {
        Ok(Self {
            url,
            algorithm,
            keys: Keys::raw(algorithm, secrets)?,
            facts: Facts {
                covers: vec![Covered::Url, Covered::FormFields],
                id: IdKind::Signed,
                body: Bound::Weak,
                ..Facts::new(Source::from_static("twilio"))
            },
        })
    }

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    fn judge(&self, progress: TwilioProgress, delivery: &Delivery<'_>) -> Result<Verdict, Refused> {
        let TwilioProgress { tag, url, body } = progress;
        let fields = match &body {
            BodyHash::Form => sorted(delivery.body),
            BodyHash::Json { .. } => String::new(),
        };
        let index = spellings(&url)
            .iter()
            .find_map(|url| {
                self.keys.find(&[Some(tag)], |each| {
                    each(url.as_bytes());
                    each(fields.as_bytes());
                })
            })
            .ok_or(Refused::Mismatch)?;

        let bound = match body {
            BodyHash::Form => Bound::Weak,
            BodyHash::Json { expected, running } => {
                if !equal(&expected, &running.finalize()) {
                    return Err(Refused::Mismatch);
                }
                Bound::Bound
            }
        };
        let mut signed = Sha256::new();
        signed.update(url);
        signed.update(fields);
        let receipt = self.facts.receipt().with_body(bound);
        Ok(Verdict::Verified(
            receipt
                .with_secret_index(index)
                .with_event_id(EventId::signed(encode(&signed.finalize(), Encoding::Hex))),
        ))
    }

    /// A header may say which algorithm it is, but never choose it.
    fn check_settings(&self, head: &Parts) -> Result<(), Refused> {
        let (name, required) = match self.algorithm {
            Algorithm::Sha1 => (&b"HMAC_SHA1"[..], false),
            Algorithm::Sha256 => (&b"HMAC_SHA256"[..], true),
        };
        let Some(settings) = optional(&head.headers, &SETTINGS)? else {
            return if required {
                Err(Refused::Missing)
            } else {
                Ok(())
            };
        };
        let mut algorithms = settings
            .split(|byte| *byte == b',')
            .filter_map(|pair| pair.trim_ascii().strip_prefix(b"algorithm="));
        match (algorithms.next(), algorithms.next()) {
            (Some(algorithm), None) if algorithm == name => Ok(()),
            _ => Err(Refused::Forbidden),
        }
    }
}

/// A verification by [`TwilioScheme`] on its way.
pub struct TwilioProgress {
    tag: Tag,
    /// As it is signed.
    url: String,
    body: BodyHash,
}

impl fmt::Debug for TwilioProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioProgress").finish_non_exhaustive()
    }
}

#[allow(
    clippy::large_enum_variant,
    reason = "it is moved twice and never stored"
)]
enum BodyHash {
    Form,
    Json { expected: [u8; 32], running: Sha256 },
}

impl Scheme for TwilioScheme {
    type Progress = TwilioProgress;
    type Finish = Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, head: &Parts) -> Result<TwilioProgress, Refused> {
        let signature = single(&head.headers, &SIGNATURE)?;
        let tag = Tag::decode(signature, Encoding::Base64, self.algorithm.len());
        let tag = tag.ok_or(Refused::Mismatch)?;
        self.check_settings(head)?;
        // Never the request's own query, which need not be what is signed.
        let url = self.url.of(head);
        let body = match body_hash(&url) {
            None => BodyHash::Form,
            Some(text) => {
                let mut expected = [0; 32];
                hex(text.as_bytes(), &mut expected, &LOWER_CASE).ok_or(Refused::Malformed)?;
                BodyHash::Json {
                    expected,
                    running: Sha256::new(),
                }
            }
        };
        Ok(TwilioProgress { tag, url, body })
    }

    fn update(&self, progress: &mut TwilioProgress, piece: &[u8]) {
        if let BodyHash::Json { running, .. } = &mut progress.body {
            running.update(piece);
        }
    }

    fn finish(&self, progress: TwilioProgress, delivery: &Delivery<'_>) -> Self::Finish {
        ready(self.judge(progress, delivery))
    }
}

impl fmt::Debug for TwilioScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
