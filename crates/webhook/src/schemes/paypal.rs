use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_event::{Bound, EventId, Source};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

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
/// that fits it ([`Bound::Weak`]). Before money moves, fetch the resource from PayPal, or have PayPal check the
/// delivery: [`PayPalScheme::postback`] writes the question. The dedupe key is the transmission id,
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
            covers: vec![
                Covered::Header(ID),
                Covered::Header(TIME),
                Covered::BodyChecksum,
            ],
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

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    /// What to ask PayPal itself about a delivery: the JSON body of a
    /// `POST /v1/notifications/verify-webhook-signature`, to be sent with your own credentials.
    ///
    /// PayPal compares the whole body, not its CRC32; its answer's `verification_status` is `SUCCESS` if the
    /// delivery is its own. The event is passed on byte for byte.
    ///
    /// # Errors
    /// [`Refused::Missing`] or [`Refused::Malformed`], when the delivery is none of PayPal's form.
    pub fn postback(&self, headers: &HeaderMap, event: &Bytes) -> Result<Bytes, Refused> {
        serde_json::from_slice::<serde::de::IgnoredAny>(event).map_err(|_| Refused::Malformed)?;
        let mut question = Vec::with_capacity(event.len() + 1024);
        question.push(b'{');
        for (member, name) in [
            ("auth_algo", &ALGORITHM),
            ("cert_url", &CERTIFICATE),
            ("transmission_id", &ID),
            ("transmission_sig", &SIGNATURE),
            ("transmission_time", &TIME),
        ] {
            let value = serde_json::Value::from(text(headers, name)?);
            question.extend_from_slice(format!("\"{member}\":{value},").as_bytes());
        }
        let id = serde_json::Value::from(self.webhook_id.as_str());
        question.extend_from_slice(format!("\"webhook_id\":{id},\"webhook_event\":").as_bytes());
        question.extend_from_slice(event);
        question.push(b'}');
        Ok(question.into())
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
        let headers = &head.headers;
        let (id, time) = (text(headers, &ID)?, text(headers, &TIME)?);
        let signature = text(headers, &SIGNATURE)?;
        let certificate = text(headers, &CERTIFICATE)?;
        if text(headers, &ALGORITHM)? != "SHA256withRSA"
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

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Refused> {
    let value = single(headers, name)?;
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
