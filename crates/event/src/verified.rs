use std::time::SystemTime;

use http::{Extensions, StatusCode};

use crate::{Dedupe, DedupeKey, EventId, Name, Source, Tenant};

/// How far a signature vouches for the body.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Bound {
    /// Every byte is covered.
    Bound,
    /// Not covered at all, or in part: trust the named facts, and fetch the rest from the sender.
    Unbound,
    /// Covered by a checksum that a forger can keep: fetch the resource before money moves.
    Weak,
}

/// The receipt for a webhook whose signature was checked.
#[derive(Clone, Debug)]
#[must_use]
pub struct Verified {
    source: Source,
    tenant: Option<Tenant>,
    account: Option<Name>,
    topic: Option<Name>,
    id: EventId,
    dedupe: Option<Dedupe>,
    body: Bound,
    timestamp: Option<SystemTime>,
    secret_index: Option<usize>,
    success: StatusCode,
}

impl Verified {
    /// A receipt that says no more than who sent it; a verifier adds what it knows.
    #[inline]
    pub const fn new(source: Source) -> Self {
        Self {
            source,
            tenant: None,
            account: None,
            topic: None,
            id: EventId::None,
            dedupe: None,
            body: Bound::Bound,
            timestamp: None,
            secret_index: None,
            success: StatusCode::OK,
        }
    }

    /// The receipt that these extensions carry.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Sets whose webhook it is. Default: no tenant.
    #[inline]
    pub fn with_tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Sets the account at the sender's, such as a shop. Default: none.
    #[inline]
    pub fn with_account(mut self, account: impl Into<Name>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Sets the topic. Default: none.
    #[inline]
    pub fn with_topic(mut self, topic: impl Into<Name>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Sets the id. Default: none.
    #[inline]
    pub fn with_event_id(mut self, id: EventId) -> Self {
        self.id = id;
        self
    }

    /// Sets what makes two deliveries the same. Default: a signed id decides, else the body.
    #[inline]
    pub const fn with_dedupe(mut self, dedupe: Dedupe) -> Self {
        self.dedupe = Some(dedupe);
        self
    }

    /// Sets how far the signature vouches for the body. Default: [`Bound::Bound`].
    #[inline]
    pub const fn with_body(mut self, body: Bound) -> Self {
        self.body = body;
        self
    }

    /// Sets when the sender signed. Default: unknown.
    #[inline]
    pub const fn with_timestamp(mut self, at: SystemTime) -> Self {
        self.timestamp = Some(at);
        self
    }

    /// Sets which of the secrets matched, counted from 0. Default: unknown.
    #[inline]
    pub const fn with_secret_index(mut self, index: usize) -> Self {
        self.secret_index = Some(index);
        self
    }

    /// Sets what tells this sender that all is well. Default: 200.
    #[inline]
    pub const fn with_success(mut self, status: StatusCode) -> Self {
        self.success = status;
        self
    }

    /// Who sent it.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Whose webhook it is.
    #[must_use]
    pub const fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// The account at the sender's, from a header; the signature may not cover it.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// What kind of event it is, from a header; the signature may not cover it.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// The sender's own name for the event.
    #[must_use]
    pub const fn event_id(&self) -> &EventId {
        &self.id
    }

    /// What makes two deliveries the same event. [`Dedupe::ById`] only where the id is signed.
    #[must_use]
    pub const fn dedupe(&self) -> Dedupe {
        match (self.dedupe, self.id.is_signed()) {
            (Some(Dedupe::Never), _) => Dedupe::Never,
            (None | Some(Dedupe::ById), true) => Dedupe::ById,
            _ => Dedupe::ByBody,
        }
    }

    /// The name under which to remember this delivery; `body` is the exact body that was verified.
    ///
    /// `None` where every delivery counts ([`Dedupe::Never`]).
    #[must_use]
    pub fn dedupe_key(&self, body: &[u8]) -> Option<DedupeKey> {
        DedupeKey::of(self, body)
    }

    /// How far the signature vouches for the body.
    #[must_use]
    pub const fn body(&self) -> Bound {
        self.body
    }

    /// When the sender signed, as covered by the signature.
    #[must_use]
    pub const fn timestamp(&self) -> Option<SystemTime> {
        self.timestamp
    }

    /// Which of the secrets matched, counted from 0: once it is always the newest, drop the others.
    #[must_use]
    pub const fn secret_index(&self) -> Option<usize> {
        self.secret_index
    }

    /// The status that tells this sender that all is well.
    #[must_use]
    pub const fn success(&self) -> StatusCode {
        self.success
    }
}
