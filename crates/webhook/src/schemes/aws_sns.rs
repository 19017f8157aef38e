use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_event::{EventId, Source, Verified};
use bytes::Bytes;
use http::request::Parts;
use serde::Deserialize;

use crate::keys::{RsaAlgorithm, is_sns_certificate, is_sns_host};
use crate::scheme::IdKind;
use crate::{Covered, Delivery, Facts, KeyFuture, Refused, Scheme, Verdict, VerifyingKeySource};

/// AWS SNS, for topics that you name.
///
/// | | |
/// |---|---|
/// | Signed | some members of the JSON body, by name and value; **not** `UnsubscribeURL` |
/// | Signature | `Signature` of the body: base64 of RSA with SHA-256 (`SignatureVersion` 2) |
/// | Key | a certificate named in the body: see `CertificateSource::aws_sns` |
/// | Window | none: SNS delivers for hours |
/// | Event id | `MessageId`, signed |
/// | Topic | `Type` of the message |
///
/// Every AWS account can have SNS sign for its own topics, so a signature alone proves nothing: only the
/// topics named here are accepted, before anything is fetched. Signature version 1 uses SHA-1 and is
/// refused unless [`SnsScheme::allow_sha1`] says otherwise; set the topic's `SignatureVersion` to 2 instead.
///
/// A `SubscriptionConfirmation` reaches the handler like any message, and nothing is fetched for it: read
/// it with [`SnsSubscription::of`], and visit its URL if you want the subscription.
///
/// Source: `docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html`, the `sns-validator`
/// package for the hosts, and `github.com/boto/boto3/issues/2508` for the certificates' paths.
///
/// # Errors
/// [`NoTopics`] when there is none.
pub fn aws_sns<T: Into<String>>(
    topic_arns: impl IntoIterator<Item = T>,
    keys: impl VerifyingKeySource,
) -> Result<SnsScheme, NoTopics> {
    let topics: HashSet<_> = topic_arns.into_iter().map(Into::into).collect();
    if topics.iter().all(String::is_empty) {
        return Err(NoTopics(()));
    }
    Ok(SnsScheme {
        topics,
        keys: Arc::new(keys),
        sha1: false,
        facts: Facts {
            covers: vec![Covered::BodyFields(FIELDS)],
            id: IdKind::Signed,
            ..Facts::new(Source::from_static("aws-sns"))
        },
    })
}

const FIELDS: &[&str] = &[
    "Message",
    "MessageId",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
];

/// AWS SNS cannot be verified without the topics that may send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoTopics(());

impl fmt::Display for NoTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no SNS topic is allowed")
    }
}

impl Error for NoTopics {}

/// The scheme of [`aws_sns`].
pub struct SnsScheme {
    topics: HashSet<String>,
    keys: Arc<dyn VerifyingKeySource>,
    sha1: bool,
    facts: Facts,
}

impl SnsScheme {
    /// Accepts signature version 1 (SHA-1) as well. Default: not.
    #[must_use]
    pub const fn allow_sha1(mut self) -> Self {
        self.sha1 = true;
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    /// What can be known before the key is.
    fn read(&self, delivery: &Delivery<'_>) -> Result<Case, Refused> {
        let message: Message =
            serde_json::from_slice(delivery.body).map_err(|_| Refused::Malformed)?;
        if !self.topics.contains(&message.topic_arn) {
            return Err(Refused::Forbidden);
        }
        let algorithm = match (&*message.signature_version, self.sha1) {
            ("2", _) => RsaAlgorithm::Pkcs1Sha256,
            ("1", true) => RsaAlgorithm::Pkcs1Sha1,
            _ => return Err(Refused::Forbidden),
        };
        if !is_sns_certificate(&message.signing_cert_url, false) {
            return Err(Refused::Forbidden);
        }
        let signature = STANDARD
            .decode(&message.signature)
            .map_err(|_| Refused::Mismatch)?;
        Ok(Case {
            key: self.keys.key(&message.signing_cert_url, delivery.now),
            algorithm,
            signature,
            signed: message.signed()?,
            receipt: self
                .facts
                .receipt()
                .with_topic(message.kind)
                .with_event_id(EventId::signed(message.message_id)),
        })
    }
}

/// A message that waits for its key.
struct Case {
    key: KeyFuture,
    algorithm: RsaAlgorithm,
    signature: Vec<u8>,
    signed: String,
    receipt: Verified,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(clippy::struct_field_names, reason = "the names are those of SNS")]
struct Message {
    #[serde(rename = "Type")]
    kind: String,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
}

impl Message {
    /// The text that is signed: names and values, a line each, in the order of their names.
    fn signed(&self) -> Result<String, Refused> {
        let mut fields = vec![("Message", &self.message), ("MessageId", &self.message_id)];
        match &*self.kind {
            "Notification" => {
                fields.extend(self.subject.as_ref().map(|subject| ("Subject", subject)));
                fields.push(("Timestamp", &self.timestamp));
            }
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
                let url = self.subscribe_url.as_ref().ok_or(Refused::Missing)?;
                let token = self.token.as_ref().ok_or(Refused::Missing)?;
                fields.push(("SubscribeURL", url));
                fields.push(("Timestamp", &self.timestamp));
                fields.push(("Token", token));
            }
            _ => return Err(Refused::Malformed),
        }
        fields.push(("TopicArn", &self.topic_arn));
        fields.push(("Type", &self.kind));
        // Only the message itself may have lines: what was signed can then be read in one way alone.
        if fields.iter().skip(1).any(|(_, value)| value.contains('\n')) {
            return Err(Refused::Malformed);
        }
        let lines = fields
            .into_iter()
            .map(|(name, value)| format!("{name}\n{value}\n"));
        Ok(lines.collect())
    }
}

impl Scheme for SnsScheme {
    type Progress = ();
    type Finish = Pin<Box<dyn Future<Output = Result<Verdict, Refused>> + Send>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, _head: &Parts) -> Result<(), Refused> {
        Ok(())
    }

    fn update(&self, (): &mut (), _piece: &[u8]) {}

    fn finish(&self, (): (), delivery: &Delivery<'_>) -> Self::Finish {
        let case = match self.read(delivery) {
            Ok(case) => case,
            Err(refused) => return Box::pin(ready(Err(refused))),
        };
        Box::pin(async move {
            let key = case.key.await?;
            let fits = key.verify_rsa(case.algorithm, case.signed.as_bytes(), &case.signature);
            fits.then_some(Verdict::Verified(case.receipt))
                .ok_or(Refused::Mismatch)
        })
    }
}

impl fmt::Debug for SnsScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsScheme")
            .field("facts", &self.facts)
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

/// SNS asks whether you want a subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SnsSubscription {
    /// The topic.
    pub topic_arn: String,
    /// What `ConfirmSubscription` takes.
    pub token: String,
    /// Visit it to confirm: an HTTPS URL of SNS itself.
    pub subscribe_url: String,
}

impl SnsSubscription {
    /// The question in the body of a *verified* message; `None` if it is another message, or its URL leads
    /// anywhere but to SNS.
    #[must_use]
    pub fn of(body: &Bytes) -> Option<Self> {
        let message: Message = serde_json::from_slice(body).ok()?;
        let url = message.subscribe_url?;
        let (host, _) = url.strip_prefix("https://")?.split_once('/')?;
        (message.kind == "SubscriptionConfirmation" && is_sns_host(host)).then_some(Self {
            topic_arn: message.topic_arn,
            token: message.token?,
            subscribe_url: url,
        })
    }
}
