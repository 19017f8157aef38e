use std::fmt;
use std::fmt::Write as _;
use std::future::{Ready, ready};

use buttress_event::{Bound, EventId, Source};
use http::request::Parts;
use serde::Deserialize;

use super::hex_key;
use crate::encoding::Tag;
use crate::mac::{Algorithm, Keys};
use crate::scheme::IdKind;
use crate::{Covered, Delivery, Encoding, Facts, InvalidSecret, Refused, Scheme, Secrets, Verdict};

/// Adyen's payment webhooks, signed in the body.
///
/// | | |
/// |---|---|
/// | Signed | eight fields of each item, between `:`; **not** the rest, such as `reason` and `eventDate` |
/// | Signature | `additionalData.hmacSignature` of each item: base64 of HMAC-SHA256 |
/// | Secret | hex digits of the key |
/// | Window | none: Adyen signs no time |
/// | Event id | `pspReference`, `eventCode` and `success`, signed |
///
/// The fields are `pspReference`, `originalReference`, `merchantAccountCode`, `merchantReference`,
/// `amount.value`, `amount.currency`, `eventCode`, `success`. They are joined without escapes, so that text
/// could move across a `:`; Adyen's libraries accept that. Here only `merchantReference` may contain one,
/// which leaves a single way to read what was signed. Every item of a batch must fit, under one secret.
///
/// Any 2xx is success; Adyen tries for 30 days.
///
/// Source: `docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures`, and
/// its example.
///
/// # Errors
/// [`InvalidSecret`] when a secret is not hex, or there are more than four.
pub fn adyen_payments(secrets: impl Into<Secrets>) -> Result<AdyenPaymentsScheme, InvalidSecret> {
    const FIELDS: &[&str] = &[
        "pspReference",
        "originalReference",
        "merchantAccountCode",
        "merchantReference",
        "value",
        "currency",
        "eventCode",
        "success",
    ];
    Ok(AdyenPaymentsScheme {
        keys: Keys::decoded(Algorithm::Sha256, &secrets.into(), hex_key)?,
        facts: Facts {
            covers: vec![Covered::BodyFields(FIELDS)],
            id: IdKind::Signed,
            body: Bound::Unbound,
            ..Facts::new(Source::from_static("adyen-payments"))
        },
    })
}

/// The scheme of [`adyen_payments`].
pub struct AdyenPaymentsScheme {
    keys: Keys,
    facts: Facts,
}

impl AdyenPaymentsScheme {
    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    fn judge(&self, body: &[u8]) -> Result<Verdict, Refused> {
        let notification: Notification =
            serde_json::from_slice(body).map_err(|_| Refused::Malformed)?;
        let mut id = String::new();
        let mut found = None;
        for Wrapped { item } in &notification.items {
            let signature = item
                .additional
                .signature
                .as_deref()
                .filter(|text| !text.is_empty())
                .ok_or(Refused::Missing)?;
            let tag = Tag::decode(signature.as_bytes(), Encoding::Base64, 32);
            let signed = item.signed()?;
            let index = self
                .keys
                .find(&[tag], |each| each(signed.as_bytes()))
                .filter(|index| *found.get_or_insert(*index) == *index)
                .ok_or(Refused::Mismatch)?;
            found = Some(index);
            let separator = if id.is_empty() { "" } else { "," };
            let Item {
                psp,
                event,
                success,
                ..
            } = item;
            let _ = write!(id, "{separator}{psp}:{event}:{success}");
        }
        let index = found.ok_or(Refused::Missing)?;
        let receipt = self.facts.receipt().with_secret_index(index);
        let receipt = match &*notification.items {
            [one] => receipt.with_topic(&*one.item.event),
            _ => receipt,
        };
        Ok(Verdict::Verified(
            receipt.with_event_id(EventId::signed(id)),
        ))
    }
}

impl Scheme for AdyenPaymentsScheme {
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
        ready(self.judge(delivery.body))
    }
}

impl fmt::Debug for AdyenPaymentsScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdyenPaymentsScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "notificationItems")]
    items: Vec<Wrapped>,
}

#[derive(Deserialize)]
struct Wrapped {
    #[serde(rename = "NotificationRequestItem")]
    item: Item,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "pspReference", default)]
    psp: String,
    #[serde(rename = "originalReference", default)]
    original: String,
    #[serde(rename = "merchantAccountCode", default)]
    account: String,
    #[serde(rename = "merchantReference", default)]
    reference: String,
    #[serde(default)]
    amount: Amount,
    #[serde(rename = "eventCode", default)]
    event: String,
    #[serde(default)]
    success: String,
    #[serde(rename = "additionalData", default)]
    additional: Additional,
}

#[derive(Default, Deserialize)]
struct Amount {
    value: Option<i64>,
    #[serde(default)]
    currency: String,
}

#[derive(Default, Deserialize)]
struct Additional {
    #[serde(rename = "hmacSignature")]
    signature: Option<String>,
}

impl Item {
    /// The text that is signed.
    fn signed(&self) -> Result<String, Refused> {
        let value = self.amount.value.map(|value| value.to_string());
        let fields = [
            &*self.psp,
            &self.original,
            &self.account,
            &self.reference,
            value.as_deref().unwrap_or_default(),
            &self.amount.currency,
            &self.event,
            &self.success,
        ];
        let ambiguous = |(place, field): (usize, &&str)| place != 3 && field.contains(':');
        if fields.iter().enumerate().any(ambiguous) {
            return Err(Refused::Malformed);
        }
        Ok(fields.join(":"))
    }
}
