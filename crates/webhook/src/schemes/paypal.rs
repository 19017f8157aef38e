use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_event::{Bound, EventId, Source};
use http::HeaderName;
use http::request::Parts;

use super::header;
use crate::crc32::Crc32;
use crate::head::single;
use crate::keys::{RsaAlgorithm, is_paypal_certificate};
use crate::scheme::IdKind;
use crate::secret::Fault;
use crate::{
    Covered, Delivery, Facts, InvalidSecret, Refused, Scheme, Verdict, VerifyingKeySource,
};

const ID: HeaderName = header("paypal-transmission-id");
const TIME: HeaderName = header("paypal-transmission-time");
const SIGNATURE: HeaderName = header("paypal-transmission-sig");
const CERTIFICATE: HeaderName = header("paypal-cert-url");
const ALGORITHM: HeaderName = header("paypal-auth-algo");

/// PayPal.
///
/// | | |
/// |---|---|
/// | Signed | transmission id, time, webhook id and the body's CRC32 in decimal, between `\|` |
/// | Signature | `PAYPAL-TRANSMISSION-SIG`: base64 of RSA with SHA-256; `PAYPAL-AUTH-ALGO` must say so |
/// | Key | the certificate of `PAYPAL-CERT-URL`: see `CertificateSource::paypal` |
/// | Window | none: PayPal tries for three days |
/// | Event id | `PAYPAL-TRANSMISSION-ID`, signed |
///
/// **The body is only weakly bound.** A CRC32 is no hash: whoever has one delivery can write another body
/// that fits it ([`Bound::Weak`]). Fetch the resource from PayPal, or have PayPal check the delivery
/// (`/v1/notifications/verify-webhook-signature`), before money moves. The dedupe key is the transmission id,
/// so such a second body is a duplicate of the first.
///
/// `webhook_id` is the id that PayPal gave your webhook. The literal `WEBHOOK_ID` is refused: PayPal's
/// simulator signs with it for everybody. Only the hosts of PayPal's live API are trusted;
/// [`PayPalScheme::sandbox`] trusts the sandbox's instead.
///
/// Source: `developer.paypal.com/api/rest/webhooks/rest` and PayPal's retired SDKs. No delivery of PayPal's
/// own was at hand to check it with.
///
/// # Errors
/// [`InvalidSecret`] when the webhook id is empty, `WEBHOOK_ID`, or contains a `|`.
pub fn paypal(
    webhook_id: &str,
    keys: impl VerifyingKeySource,
) -> Result<PayPalScheme, InvalidSecret> {
    let fault = match webhook_id {
        "" => Some(Fault::Empty),
        "WEBHOOK_ID" => Some(Fault::WrongKind("a webhook's own id")),
        id if id.contains('|') => Some(Fault::Encoding("a webhook id")),
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(InvalidSecret::new(0, fault));
    }
    Ok(PayPalScheme {
        webhook_id: webhook_id.to_owned(),
        keys: Arc::new(keys),
        sandbox: false,
        facts: Facts {
            covers: vec![Covered::Header(ID), Covered::Header(TIME)],
            id: IdKind::Signed,
            body: Bound::Weak,
            ..Facts::new(Source::from_static("paypal"))
        },
    })
}

/// The scheme of [`paypal`].
pub struct PayPalScheme {
    webhook_id: String,
    keys: Arc<dyn VerifyingKeySource>,
    sandbox: bool,
    facts: Facts,
}

impl PayPalScheme {
    /// Trusts certificates of PayPal's sandbox, and no others. Default: those of the live API.
    #[must_use]
    pub const fn sandbox(mut self) -> Self {
        self.sandbox = true;
        self
    }
}

/// A verification by [`PayPalScheme`] on its way.
#[derive(Debug)]
pub struct PayPalProgress {
    certificate: String,
    /// Transmission id and time.
    signed: String,
    id: String,
    signature: Vec<u8>,
    body: Crc32,
}

impl Scheme for PayPalScheme {
    type Progress = PayPalProgress;
    type Finish = Pin<Box<dyn Future<Output = Result<Verdict, Refused>> + Send>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, head: &Parts) -> Result<PayPalProgress, Refused> {
        let (id, time) = (text(head, &ID)?, text(head, &TIME)?);
        let signature = text(head, &SIGNATURE)?;
        let certificate = text(head, &CERTIFICATE)?;
        if text(head, &ALGORITHM)? != "SHA256withRSA"
            || !is_paypal_certificate(certificate, self.sandbox)
        {
            return Err(Refused::Forbidden);
        }
        // A separator inside a value could be read in two ways.
        if id.contains('|') || time.contains('|') {
            return Err(Refused::Malformed);
        }
        Ok(PayPalProgress {
            certificate: certificate.to_owned(),
            signed: format!("{id}|{time}|{}|", self.webhook_id),
            id: id.to_owned(),
            signature: STANDARD.decode(signature).map_err(|_| Refused::Mismatch)?,
            body: Crc32::default(),
        })
    }

    fn update(&self, progress: &mut PayPalProgress, piece: &[u8]) {
        progress.body.update(piece);
    }

    fn finish(&self, progress: PayPalProgress, delivery: &Delivery<'_>) -> Self::Finish {
        if delivery.body.is_empty() {
            return Box::pin(ready(Err(Refused::Missing)));
        }
        let key = self.keys.key(&progress.certificate, delivery.now);
        let receipt = self.facts.receipt();
        Box::pin(async move {
            let signed = format!("{}{}", progress.signed, progress.body.finish());
            let fits = key.await?.verify_rsa(
                RsaAlgorithm::Pkcs1Sha256,
                signed.as_bytes(),
                &progress.signature,
            );
            let receipt = receipt.with_event_id(EventId::signed(progress.id));
            fits.then_some(Verdict::Verified(receipt))
                .ok_or(Refused::Mismatch)
        })
    }
}

fn text<'a>(head: &'a Parts, name: &HeaderName) -> Result<&'a str, Refused> {
    let value = single(&head.headers, name)?;
    std::str::from_utf8(value).map_err(|_| Refused::Malformed)
}

impl fmt::Debug for PayPalScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayPalScheme")
            .field("facts", &self.facts)
            .field("sandbox", &self.sandbox)
            .finish_non_exhaustive()
    }
}
