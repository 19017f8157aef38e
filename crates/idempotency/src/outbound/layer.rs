use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use buttress_key::{DerivationSecret, Profile};
use http::request::Parts;
use tower_layer::Layer;

use super::derivation::Derivation;
use super::ledger::Ledger;
use super::rules::{Injected, Rules, Source};
use super::{Operation, OutboundIdempotencyKey};
use crate::IdempotencyKeyLayer;

/// How many keys a layer remembers.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The sender's side of [`IdempotencyKeyLayer`].
#[derive(Clone, Debug)]
pub struct Outbound {
    rules: Rules,
}

impl IdempotencyKeyLayer<Outbound> {
    /// Sends one key for all attempts, as `profile`'s provider wants it.
    ///
    /// The key comes from the caller, as an [`OutboundKey`](crate::OutboundKey) in the request's
    /// extensions; [`derive`](Self::derive) and [`random`](Self::random) name another source for
    /// requests without one. A request on a method that the profile covers and that has no key is
    /// refused, and so is one whose key header was there before. All refusals are
    /// [`KeyRefused`](crate::KeyRefused), before a byte is sent.
    ///
    /// Clones of the layer share what they remember of keys; see [`isolated`](Self::isolated).
    #[must_use]
    pub fn outbound(profile: Profile) -> Self {
        Self {
            side: Outbound {
                rules: Rules {
                    profile,
                    source: Source::Nowhere,
                    accept_header: false,
                    optional: false,
                    margin: Duration::from_secs(5 * 60),
                    clock: None,
                    secret: None,
                    ledger: Arc::new(Ledger::new(CAPACITY)),
                },
            },
        }
    }

    /// Derives the key of a request that brings none. Default: there is no such key.
    ///
    /// `name` reads from the request's head what it does; `None` leaves it without a key.
    /// `namespace` says whose operations these are, so that two programs that share a secret do not
    /// share keys. A derived key is the same after a crash and needs no persisting; how long ago it
    /// was first sent the layer knows only from its own memory.
    #[must_use]
    pub fn derive<F>(
        mut self,
        secret: DerivationSecret,
        namespace: impl Into<String>,
        name: F,
    ) -> Self
    where
        F: Fn(&Parts) -> Option<Operation> + Send + Sync + 'static,
    {
        self.side.rules.source = Source::Derived(Arc::new(Derivation {
            secret,
            namespace: namespace.into(),
            name: Box::new(name),
        }));
        self
    }

    /// Makes a random key for a request that brings none. Default: there is no such key.
    ///
    /// It covers the retries within this layer and **dies with the process**: after a crash nobody
    /// can tell whether the operation was executed, and sending it again executes it again.
    #[must_use]
    pub fn random(mut self) -> Self {
        self.side.rules.source = Source::Random;
        self
    }

    /// Takes a key header that is already on the request for the request's key.
    ///
    /// Default: such a request is refused, for the header may have come from a client of yours, and
    /// a client's key is not a key of your own operation. Accept it where the code that makes the
    /// requests writes the header itself. The header's bytes are not changed.
    #[must_use]
    pub fn accept_header(mut self) -> Self {
        self.side.rules.accept_header = true;
        self
    }

    /// Sends a request without a key too. Default: it is refused.
    ///
    /// Such a request is not safe to repeat, and the retry layer does not repeat it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.side.rules.optional = true;
        self
    }

    /// How long before the provider may forget a key it is no longer sent. Default: 5 minutes.
    ///
    /// It must exceed the limit of the whole operation, retries included, and the difference of the
    /// clocks: a key first sent further in the future than the margin is refused. A margin above the
    /// profile's retention lets no key be sent twice.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.side.rules.margin = margin;
        self
    }

    /// The wall clock. Default: the system's.
    #[must_use]
    pub fn clock<F>(mut self, clock: F) -> Self
    where
        F: Fn() -> SystemTime + Send + Sync + 'static,
    {
        self.side.rules.clock = Some(Injected(Arc::new(clock)));
        self
    }

    /// The secret of the fingerprints that callers persist with their keys. Default: none.
    ///
    /// Without it a key that brings a fingerprint is refused, for nobody could check it.
    #[must_use]
    pub fn fingerprints(mut self, secret: DerivationSecret) -> Self {
        self.side.rules.secret = Some(secret);
        self
    }

    /// How many keys are remembered, to refuse another body under one. Default: 10 000.
    ///
    /// The oldest is forgotten first. About 100 bytes a key, once it is used. What the layer
    /// remembered before is forgotten.
    #[must_use]
    pub fn capacity(mut self, keys: NonZeroUsize) -> Self {
        self.side.rules.ledger = Arc::new(Ledger::new(keys));
        self
    }

    /// The same layer with a memory of its own, for a provider account that shares no keys.
    #[must_use]
    pub fn isolated(&self) -> Self {
        self.clone().capacity(self.side.rules.ledger.capacity())
    }
}

impl<S> Layer<S> for IdempotencyKeyLayer<Outbound> {
    type Service = OutboundIdempotencyKey<S>;

    fn layer(&self, inner: S) -> OutboundIdempotencyKey<S> {
        OutboundIdempotencyKey::new(inner, Arc::new(self.side.rules.clone()))
    }
}
