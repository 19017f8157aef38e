use std::borrow::Cow;
use std::fmt;
use std::future::{Ready, ready};
use std::time::Duration;

use buttress_event::{Bound, EventId, Name};
use http::HeaderName;
use http::request::Parts;

use super::component::Component;
use super::digest::ContentDigest;
use super::input::Input;
use super::key::MessageKey;
use crate::head::label;
use crate::hmac::{near, since_epoch};
use crate::json::{Scalar, members};
use crate::{Covered, Delivery, Facts, PublicUrl, Refused, Scheme, Verdict};

/// A sender that signs as RFC 9421 (HTTP message signatures) and RFC 9530 (digest fields) say.
///
/// What a signature covers, the signature itself says, so what it *must* cover is configured; see
/// [`require`](crate::MessageSignatureBuilder::require). The label is fixed, `created` is required, `expires` is obeyed,
/// and `alg`, if it is there, must be the key's. Refused are parameters and components that are not known
/// here, and whatever stands twice. `@authority` and its like are those of the configured public URL.
///
/// With `content-digest` covered, at least one of `sha-256` and `sha-512` must be there, and both must
/// fit if both are. Digests of other kinds are passed over.
///
/// ```
/// use buttress_event::Source;
/// use buttress_webhook::{MessageKey, MessageSignatureScheme, PublicUrl};
///
/// let scheme = MessageSignatureScheme::builder(
///     Source::from_static("acme"),
///     "sig1",
///     PublicUrl::origin("https://shop.example.com")?,
///     MessageKey::hmac_sha256("secret")?.id("key-1"),
/// )
/// .id_member("id")
/// .build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Checked against the examples of RFC 9421, appendices B.2 and B.3.
pub struct MessageSignatureScheme {
    pub(super) label: String,
    pub(super) url: PublicUrl,
    pub(super) keys: Vec<MessageKey>,
    pub(super) required: Required,
    pub(super) tag: Option<String>,
    pub(super) id: Id,
    pub(super) facts: Facts,
}

/// What a signature must cover.
#[derive(Clone, Debug)]
pub(super) enum Required {
    These(Vec<String>),
    Webhook,
}

#[derive(Clone, Debug)]
pub(super) enum Id {
    Header(HeaderName),
    Member(Cow<'static, str>),
    None,
}

impl Required {
    fn met_by(&self, components: &[Component]) -> bool {
        let covers = |name: &str| components.iter().any(|component| component.name == name);
        match self {
            Self::These(names) => names.iter().all(|name| covers(name)),
            Self::Webhook => {
                let target = covers("@target-uri")
                    || ["@authority", "@path", "@query"].into_iter().all(covers);
                target
                    && ["@method", "content-digest", "content-type"]
                        .into_iter()
                        .all(covers)
            }
        }
    }

    pub(super) fn covered(&self) -> Vec<Covered> {
        let names: Vec<&str> = match self {
            Self::These(names) => names.iter().map(String::as_str).collect(),
            Self::Webhook => vec!["@method", "@target-uri", "content-digest", "content-type"],
        };
        let mut covered = vec![Covered::Timestamp];
        for name in names {
            match name {
                "@method" => covered.push(Covered::Method),
                "@target-uri" => covered.push(Covered::Url),
                "content-digest" => covered.push(Covered::Body),
                name => covered.extend(name.parse().ok().map(Covered::Header)),
            }
        }
        covered
    }
}

impl MessageSignatureScheme {
    /// The place of the key that the signature fits.
    fn key(&self, input: &Input, head: &Parts) -> Result<usize, Refused> {
        let base = input.base(|component| component.value(head, &self.url))?;
        let mut tried = false;
        for (index, key) in self.keys.iter().enumerate() {
            if key.id.is_some() && key.id != input.keyid {
                continue;
            }
            if input
                .alg
                .as_deref()
                .is_some_and(|alg| alg != key.algorithm())
            {
                continue;
            }
            tried = true;
            if key.verify(base.as_bytes(), &input.signature) {
                return Ok(index);
            }
        }
        Err(if tried {
            Refused::Mismatch
        } else {
            Refused::Forbidden
        })
    }

    fn judge(
        &self,
        progress: MessageSignatureProgress,
        delivery: &Delivery<'_>,
    ) -> Result<Verdict, Refused> {
        let MessageSignatureProgress { input, digest } = progress;
        let index = self.key(&input, delivery.head)?;
        let bound = digest.is_some();
        if !digest.is_none_or(ContentDigest::fits) {
            return Err(Refused::Mismatch);
        }

        let now = Duration::from_secs(since_epoch(delivery.now).as_secs());
        let created = near(Duration::from_secs(input.created), now, self.facts.window)?;
        if input.expires.is_some_and(|expires| expires < now.as_secs()) {
            return Err(Refused::Stale);
        }
        let receipt = self
            .facts
            .receipt()
            .with_secret_index(index)
            .with_timestamp(created)
            .with_body(if bound { Bound::Bound } else { Bound::Unbound });
        Ok(Verdict::Verified(
            receipt.with_event_id(self.id(&input, bound, delivery)),
        ))
    }

    fn id(&self, input: &Input, bound: bool, delivery: &Delivery<'_>) -> EventId {
        let (id, signed) = match &self.id {
            Id::None => return EventId::None,
            Id::Header(name) => {
                let covered = |component: &Component| component.name == name.as_str();
                let id = label(&delivery.head.headers, name).map(Name::from);
                (id, input.components.iter().any(covered))
            }
            Id::Member(name) => {
                let [id] = members(delivery.body, [name]);
                (id.and_then(Scalar::into_name), bound)
            }
        };
        match (id, signed) {
            (None, _) => EventId::None,
            (Some(id), true) => EventId::signed(id),
            (Some(id), false) => EventId::unsigned(id),
        }
    }
}

/// A verification by [`MessageSignatureScheme`] on its way.
pub struct MessageSignatureProgress {
    input: Input,
    digest: Option<ContentDigest>,
}

impl fmt::Debug for MessageSignatureProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageSignatureProgress")
            .finish_non_exhaustive()
    }
}

impl Scheme for MessageSignatureScheme {
    type Progress = MessageSignatureProgress;
    type Finish = Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, head: &Parts) -> Result<MessageSignatureProgress, Refused> {
        let input = Input::of(&head.headers, &self.label)?;
        if !self.required.met_by(&input.components) {
            return Err(Refused::Missing);
        }
        if self.tag.is_some() && self.tag != input.tag {
            return Err(Refused::Forbidden);
        }
        let covers_body = |component: &Component| component.name == "content-digest";
        let digest = if input.components.iter().any(covers_body) {
            Some(ContentDigest::of(&head.headers)?)
        } else {
            None
        };
        Ok(MessageSignatureProgress { input, digest })
    }

    fn update(&self, progress: &mut MessageSignatureProgress, piece: &[u8]) {
        if let Some(digest) = &mut progress.digest {
            digest.update(piece);
        }
    }

    fn finish(&self, progress: MessageSignatureProgress, delivery: &Delivery<'_>) -> Self::Finish {
        ready(self.judge(progress, delivery))
    }
}

impl fmt::Debug for MessageSignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageSignatureScheme")
            .field("facts", &self.facts)
            .field("label", &self.label)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "ed25519", feature = "p256", feature = "rsa"))]
mod tests;
