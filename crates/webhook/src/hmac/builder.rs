use std::borrow::Cow;

use buttress_event::{Dedupe, Source};
use http::request::Parts;
use http::{HeaderName, StatusCode};

use super::form::Signature;
use super::part::Part;
use super::scheme::HmacScheme;
use super::shape::{Id, Shape};
use super::time::{Place, Timestamp};
use crate::mac::{Algorithm, Keys};
use crate::scheme::{Covered, IdKind};
use crate::secret::Fault;
use crate::{Facts, InvalidSecret, Refused, Reply, Secrets};

/// Turns a secret, as the sender shows it, into the HMAC's key.
pub(crate) type KeyForm = fn(&[u8]) -> Result<Vec<u8>, Fault>;

/// Describes a sender that signs with an HMAC; ends in [`build`](Self::build).
///
/// ```
/// use buttress_event::Source;
/// use buttress_webhook::{Encoding, HmacScheme, Part, Signature, Timestamp};
/// use http::HeaderName;
///
/// // x-acme-signature: hex of HMAC-SHA256 over "<time>.<body>"
/// let signature = Signature::whole(HeaderName::from_static("x-acme-signature"), Encoding::Hex);
/// let scheme = HmacScheme::builder(Source::from_static("acme"), signature)
///     .timestamp(Timestamp::header(HeaderName::from_static("x-acme-time")))
///     .before_body([Part::Timestamp, Part::text(".")])
///     .id_member("event_id")
///     .build("secret")?;
/// # Ok::<(), buttress_webhook::InvalidSecret>(())
/// ```
#[must_use]
pub struct HmacBuilder {
    facts: Facts,
    key_form: KeyForm,
    shape: Shape,
}

impl HmacBuilder {
    pub(super) fn new(source: Source, signature: Signature) -> Self {
        let pair = signature.has_time().then(Timestamp::pair);
        Self {
            facts: Facts {
                window: pair.as_ref().and_then(|timestamp| timestamp.window),
                ..Facts::new(source)
            },
            key_form: |secret| Ok(secret.to_vec()),
            shape: Shape {
                algorithm: Algorithm::Sha256,
                signature,
                before: Vec::new(),
                after: Vec::new(),
                timestamp: pair,
                id: Id::None,
                id_at: None,
                topic: None,
                account: None,
                required: Vec::new(),
                empty_body: true,
                greet: None,
                answers: None,
            },
        }
    }

    /// Sets the hash. Default: SHA-256.
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.shape.algorithm = algorithm;
        self
    }

    /// Takes secrets as base64 of the key. Default: a secret's own bytes are the key.
    pub fn base64_secrets(self) -> Self {
        self.key_form(crate::schemes::base64_key)
    }

    /// Takes secrets as hex digits of the key. Default: a secret's own bytes are the key.
    pub fn hex_secrets(self) -> Self {
        self.key_form(crate::schemes::hex_key)
    }

    pub(crate) fn key_form(mut self, form: KeyForm) -> Self {
        self.key_form = form;
        self
    }

    /// Sets what is signed before the body, in order. Default: nothing.
    ///
    /// A header that is followed by a text may not contain that text: such a delivery is refused,
    /// for it could be cut in two ways.
    pub fn before_body(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.shape.before = parts.into_iter().collect();
        self
    }

    /// Sets what is signed after the body, in order. Default: nothing.
    pub fn after_body(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.shape.after = parts.into_iter().collect();
        self
    }

    /// Sets where the sender says when it signed. Default: the pair of a
    /// [`Signature::pairs`] header, else nowhere.
    ///
    /// A header is only worth checking if it is signed: name [`Part::Timestamp`] among the parts.
    pub fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.facts.window = timestamp.window;
        self.shape.timestamp = Some(timestamp);
        self
    }

    /// Takes the event's id from a header: signed if the header is among the parts, else unsigned.
    /// Default: no id.
    pub fn id_header(mut self, name: HeaderName) -> Self {
        self.shape.id = Id::Header(name);
        self
    }

    /// Takes the event's id from the JSON body's top level; signed, as the body is. Default: no id.
    pub fn id_member(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.shape.id = Id::Member(name.into());
        self
    }

    /// Sets the header that names the event's kind. Default: none.
    pub fn topic_header(mut self, name: HeaderName) -> Self {
        self.shape.topic = Some(name);
        self
    }

    /// Sets the header that names the account at the sender's. Default: none.
    pub fn account_header(mut self, name: HeaderName) -> Self {
        self.shape.account = Some(name);
        self
    }

    /// Refuses deliveries without these headers. Default: only what verification needs.
    pub fn require(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.shape.required = names.into_iter().collect();
        self
    }

    /// Refuses a delivery without a body, even a signed one. Default: accepted.
    pub const fn refuse_empty_body(mut self) -> Self {
        self.shape.empty_body = false;
        self
    }

    /// Sets what makes two deliveries the same event. Default: a signed id, else the body.
    pub const fn dedupe(mut self, dedupe: Dedupe) -> Self {
        self.facts.dedupe = Some(dedupe);
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    /// Sets the status that tells the sender that all is well. Default: 200.
    pub const fn success(mut self, status: StatusCode) -> Self {
        self.facts.success = status;
        self
    }

    /// Answers requests that are no deliveries, before anything is verified. Default: none.
    pub fn greet(
        mut self,
        greet: impl Fn(&Parts) -> Result<Option<Reply>, Refused> + Send + Sync + 'static,
    ) -> Self {
        self.shape.greet = Some(Box::new(greet));
        self
    }

    /// Answers deliveries that are questions, once they are verified. Default: none.
    ///
    /// Never repeat or sign text that the sender may choose freely: bound its characters.
    pub fn answer(
        self,
        answer: impl Fn(&[u8]) -> Result<Option<Reply>, Refused> + Send + Sync + 'static,
    ) -> Self {
        self.answer_by_secret(move |body, _| answer(body))
    }

    /// As [`answer`](Self::answer), told which secret the question was signed with.
    pub(crate) fn answer_by_secret(
        mut self,
        answer: impl Fn(&[u8], usize) -> Result<Option<Reply>, Refused> + Send + Sync + 'static,
    ) -> Self {
        self.shape.answers = Some(Box::new(answer));
        self
    }

    /// The scheme, with the sender's secrets.
    ///
    /// # Errors
    /// [`InvalidSecret`] when there is none or more than four, or when one is empty or not written
    /// as this sender writes them.
    pub fn build(mut self, secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
        let keys = Keys::decoded(self.shape.algorithm, &secrets.into(), self.key_form)?;
        self.facts.covers = self.covers();
        let (id, parts) = (self.shape.id.header(), &self.shape.before);
        let is_id = |part: &Part| matches!(part, Part::Header(name) if Some(name) == id);
        self.shape.id_at = parts.iter().position(is_id);
        self.facts.id = match &self.shape.id {
            Id::Header(name) if !self.shape.signs(name) => IdKind::Unsigned,
            Id::Header(_) | Id::Member(_) => IdKind::Signed,
            Id::None => IdKind::None,
        };
        Ok(HmacScheme {
            keys,
            facts: self.facts,
            shape: self.shape,
        })
    }

    fn covers(&self) -> Vec<Covered> {
        let covered = |part: &Part| match part {
            Part::Header(name) => Some(Covered::Header(name.clone())),
            Part::Method => Some(Covered::Method),
            Part::Text(_) => None,
            Part::Timestamp => match &self.shape.timestamp.as_ref()?.place {
                Place::Header(name) => Some(Covered::Header(name.clone())),
                Place::Member(_) => None,
                Place::Pair => Some(Covered::Timestamp),
            },
            Part::Url(_) => Some(Covered::Url),
        };
        let parts = self.shape.before.iter().chain(&self.shape.after);
        let mut covers: Vec<_> = parts.filter_map(covered).collect();
        covers.push(Covered::Body);
        covers
    }
}

impl std::fmt::Debug for HmacBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HmacBuilder")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
