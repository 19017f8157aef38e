use std::fmt;
use std::future::{Ready, ready};
use std::time::Duration;

use buttress_event::{Bound, EventId, Source};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::Deserialize;

use crate::encoding::Tag;
use crate::form;
use crate::head::{decimal, label};
use crate::hmac::near;
use crate::mac::{Algorithm, Keys};
use crate::scheme::IdKind;
use crate::{Covered, Delivery, Encoding, Facts, InvalidSecret, Refused, Scheme, Secrets, Verdict};

/// Mailgun: event webhooks (JSON) and inbound routes (forms).
///
/// | | |
/// |---|---|
/// | Signed | `timestamp`, `token`; **not** the rest of the body |
/// | Signature | `signature` beside them: hex of HMAC-SHA256 |
/// | Secret | the HTTP webhook signing key |
/// | Window | 5 minutes in either direction; Mailgun advises not to be too strict |
/// | Event id | `token`, signed, used once |
///
/// In JSON the three stand in `signature`; in a form, urlencoded or multipart, beside everything
/// else. A subaccount's delivery also has a `parent-signature`, by the parent account's key: it is
/// accepted only with [`MailgunScheme::or_parent`].
///
/// Since the body is not signed, whoever sees one delivery can send another body with it once: fetch
/// the event before you act on it. An answer of 406 ends Mailgun's attempts.
///
/// Source: `documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn mailgun(secrets: impl Into<Secrets>) -> Result<MailgunScheme, InvalidSecret> {
    Ok(MailgunScheme {
        keys: Keys::raw(Algorithm::Sha256, &secrets.into())?,
        facts: Facts {
            cap: 25 * 1024 * 1024,
            window: Some(Duration::from_secs(300)),
            covers: vec![Covered::BodyFields(&["timestamp", "token"])],
            id: IdKind::Signed,
            body: Bound::Unbound,
            ..Facts::new(Source::from_static("mailgun"))
        },
        parent: false,
    })
}

/// The scheme of [`mailgun`].
pub struct MailgunScheme {
    keys: Keys,
    facts: Facts,
    parent: bool,
}

impl MailgunScheme {
    /// Accepts `parent-signature` as well, where the secret is a parent account's. Default: not.
    #[must_use]
    pub const fn or_parent(mut self) -> Self {
        self.parent = true;
        self
    }

    /// Sets how far the signed time may lie from now, in either direction. Default: 5 minutes.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.facts.window = Some(window);
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 25 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    fn judge(&self, delivery: &Delivery<'_>) -> Result<Verdict, Refused> {
        let signed = read(delivery)?;
        let decode = |text: &String| Tag::decode(text.as_bytes(), Encoding::Hex, 32);
        let parent = signed.parent.as_ref().filter(|_| self.parent);
        let tags = [decode(&signed.signature), parent.and_then(decode)];
        let index = self
            .keys
            .find(&tags, |each| {
                each(signed.timestamp.as_bytes());
                each(signed.token.as_bytes());
            })
            .ok_or(Refused::Mismatch)?;

        // `timestamp` and `token` are signed as one text: a digit could move from one to the other.
        if signed.token.len() != 50
            || !signed
                .token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        {
            return Err(Refused::Malformed);
        }
        let time = decimal(signed.timestamp.as_bytes()).ok_or(Refused::Malformed)?;
        let now = crate::hmac::since_epoch(delivery.now);
        let at = near(
            Duration::from_secs(time),
            Duration::from_secs(now.as_secs()),
            self.facts.window,
        )?;
        let receipt = self.facts.receipt();
        Ok(Verdict::Verified(
            receipt
                .with_secret_index(index)
                .with_timestamp(at)
                .with_event_id(EventId::signed(signed.token)),
        ))
    }
}

impl Scheme for MailgunScheme {
    type Progress = ();
    type Finish = Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, _head: &Parts) -> Result<(), Refused> {
        Ok(())
    }

    fn update(&self, (): &mut (), _piece: &[u8]) {}

    fn finish(&self, (): (), delivery: &Delivery<'_>) -> Self::Finish {
        ready(self.judge(delivery))
    }
}

impl fmt::Debug for MailgunScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailgunScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// The four values that matter.
#[derive(Deserialize)]
struct Signed {
    timestamp: String,
    token: String,
    signature: String,
    #[serde(rename = "parent-signature")]
    parent: Option<String>,
}

#[derive(Deserialize)]
struct Json {
    signature: Signed,
}

fn read(delivery: &Delivery<'_>) -> Result<Signed, Refused> {
    let kind = label(&delivery.head.headers, &CONTENT_TYPE).unwrap_or_default();
    if let Some(fields) = form::fields(kind, delivery.body) {
        let value = |name: &str| fields.one(name);
        return Ok(Signed {
            timestamp: value("timestamp")?.ok_or(Refused::Missing)?,
            token: value("token")?.ok_or(Refused::Missing)?,
            signature: value("signature")?.ok_or(Refused::Missing)?,
            parent: value("parent-signature")?,
        });
    }
    serde_json::from_slice::<Json>(delivery.body)
        .map(|json| json.signature)
        .map_err(|_| Refused::Malformed)
}
