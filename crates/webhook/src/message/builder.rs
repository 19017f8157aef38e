use std::borrow::Cow;
use std::time::Duration;

use buttress_event::{Bound, Source};
use http::HeaderName;

use super::key::MessageKey;
use super::scheme::{Id, MessageSignatureScheme, Required};
use crate::scheme::{Covered, IdKind};
use crate::{Facts, PublicUrl};

/// Describes a sender that signs as RFC 9421 says; ends in [`build`](Self::build).
#[derive(Debug)]
#[must_use]
pub struct MessageSignatureBuilder {
    label: String,
    url: PublicUrl,
    keys: Vec<MessageKey>,
    required: Required,
    tag: Option<String>,
    id: Id,
    window: Duration,
    cap: usize,
    source: Source,
}

impl MessageSignatureScheme {
    /// Describes a sender: its name, its signature's label, the URL under which it knows this endpoint,
    /// and its key.
    pub fn builder(
        source: Source,
        label: impl Into<String>,
        url: PublicUrl,
        key: MessageKey,
    ) -> MessageSignatureBuilder {
        MessageSignatureBuilder {
            label: label.into(),
            url,
            keys: vec![key],
            required: Required::Webhook,
            tag: None,
            id: Id::None,
            window: Duration::from_secs(300),
            cap: 1024 * 1024,
            source,
        }
    }
}

impl MessageSignatureBuilder {
    /// Accepts another key too, at most four in all; further ones are left out.
    pub fn or(mut self, key: MessageKey) -> Self {
        if self.keys.len() < 4 {
            self.keys.push(key);
        }
        self
    }

    /// Requires these components, in place of the default: `@method`, `@target-uri` (or `@authority`,
    /// `@path` and `@query`), `content-digest` and `content-type`.
    ///
    /// A signature may cover more. One that does not cover `content-digest` leaves the body
    /// [`Bound::Unbound`].
    pub fn require<T: Into<String>>(mut self, components: impl IntoIterator<Item = T>) -> Self {
        self.required = Required::These(components.into_iter().map(Into::into).collect());
        self
    }

    /// Requires the parameter `tag` with this value. Default: any or none.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Takes the event's id from a header: signed if the signature covers it. Default: no id.
    pub fn id_header(mut self, name: HeaderName) -> Self {
        self.id = Id::Header(name);
        self
    }

    /// Takes the event's id from the JSON body's top level: signed if the signature covers
    /// `content-digest`. Default: no id.
    pub fn id_member(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.id = Id::Member(name.into());
        self
    }

    /// Sets how far `created` may lie from now, in either direction. Default: 5 minutes.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.cap = bytes;
        self
    }

    /// The scheme.
    #[must_use]
    pub fn build(self) -> MessageSignatureScheme {
        let mut facts = Facts::new(self.source);
        facts.cap = self.cap;
        facts.window = Some(self.window);
        facts.covers = self.required.covered();
        let bound = facts.covers.contains(&Covered::Body);
        if !bound {
            facts.body = Bound::Unbound;
        }
        facts.id = match &self.id {
            Id::None => IdKind::None,
            Id::Header(name) if facts.covers.contains(&Covered::Header(name.clone())) => {
                IdKind::Signed
            }
            Id::Member(_) if bound => IdKind::Signed,
            Id::Header(_) | Id::Member(_) => IdKind::Unsigned,
        };
        MessageSignatureScheme {
            label: self.label,
            url: self.url,
            keys: self.keys,
            required: self.required,
            tag: self.tag,
            id: self.id,
            facts,
        }
    }
}
