use std::borrow::Cow;
use std::time::SystemTime;

use buttress_key::{Fingerprint, IdempotencyKey};

/// A key that the caller owns, in the extensions of an outbound request.
///
/// Persist all of it *before* the first byte is sent, and send the same again after a crash: then no
/// restart, deployment or second machine can make a second operation of it. The layer takes it out
/// of the request, and writes the key's header in its place.
///
/// ```
/// use std::time::SystemTime;
/// use buttress_idempotency::OutboundKey;
/// use buttress_key::IdempotencyKey;
///
/// # fn persist(_: &OutboundKey) {}
/// let key = OutboundKey::new(IdempotencyKey::generate()?, SystemTime::now());
/// persist(&key);
/// let request = http::Request::post("https://api.example/charges")
///     .extension(key)
///     .body("amount=5")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OutboundKey {
    key: IdempotencyKey,
    generation: u32,
    first_sent: SystemTime,
    fingerprint: Option<Fingerprint>,
}

impl OutboundKey {
    /// A key that was first sent, or is about to be, at this time of the wall clock.
    ///
    /// The time of the *first* sending: the provider counts its retention from there.
    #[must_use]
    pub const fn new(key: IdempotencyKey, first_sent: SystemTime) -> Self {
        Self {
            key,
            generation: 1,
            first_sent,
            fingerprint: None,
        }
    }

    /// How often the operation was begun anew; for telemetry and errors. Default: 1.
    #[must_use]
    pub const fn with_generation(mut self, generation: u32) -> Self {
        self.generation = generation;
        self
    }

    /// What the key was first used for. Default: the layer's own memory, which dies with it.
    ///
    /// The layer needs the same secret, from
    /// [`fingerprints`](crate::IdempotencyKeyLayer::fingerprints).
    #[must_use]
    pub const fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// How often the operation was begun anew.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// When the key was first sent.
    #[must_use]
    pub const fn first_sent(&self) -> SystemTime {
        self.first_sent
    }

    /// What the key was first used for.
    #[must_use]
    pub const fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }
}

/// What a request does, for the key that is derived from it.
///
/// What it *is*, and nothing of its payload: two equal purchases are two operations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    pub(crate) name: Cow<'static, str>,
    pub(crate) entity: String,
    pub(crate) generation: u32,
}

impl Operation {
    /// An operation by its name (`charge`) on an entity by its id (an order's).
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, entity: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            entity: entity.into(),
            generation: 1,
        }
    }

    /// How often it was begun anew, each time after the key before had certainly done nothing.
    /// Default: 1.
    #[must_use]
    pub fn generation(mut self, generation: u32) -> Self {
        self.generation = generation;
        self
    }
}
