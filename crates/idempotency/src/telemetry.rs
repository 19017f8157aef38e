//! Every event this crate emits; no other file names a field or a metric.

use buttress_key::{IdempotencyKey, Profile};

use crate::Refusal;

#[cfg(feature = "inbound")]
pub(crate) use self::inbound::*;

/// Where a key came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Caller,
    Derived,
    Header,
    Random,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Derived => "derived",
            Self::Header => "header",
            Self::Random => "random",
        }
    }
}

/// A request goes out with this key.
pub(crate) fn keyed(profile: &Profile, key: &IdempotencyKey, generation: u32, origin: Origin) {
    // The hash is computed for a subscriber that wants it, and not otherwise.
    tracing::trace!(
        idempotency.profile = profile.name(),
        idempotency.key_hash = %key.hash(),
        idempotency.key_origin = origin.as_str(),
        idempotency.generation = generation,
        "idempotency key sent",
    );
    count(profile, "sent");
}

/// A request was not sent.
pub(crate) fn refused(profile: &Profile, refusal: Refusal) {
    tracing::debug!(
        idempotency.profile = profile.name(),
        error.type = refusal.as_str(),
        "request refused",
    );
    count(profile, refusal.as_str());
}

#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, reason = "counted by `metrics` alone")
)]
fn count(profile: &Profile, outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "idempotency.requests",
        "idempotency.profile" => profile.name().to_owned(),
        "idempotency.outcome" => outcome,
    )
    .increment(1);
}

#[cfg(feature = "inbound")]
mod inbound {
    use std::fmt;

    use buttress_key::IdempotencyKey;
    use buttress_store::StoreError;

    use crate::inbound::Refused;

    /// What became of a request with a key, for the receiver.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) enum Outcome {
        Cut,
        InFlight,
        Lost,
        Mismatch,
        Panicked,
        Replayed,
        Started,
        TooMany,
        Unavailable,
        Unknown,
        Unprotected,
        Unrecorded,
    }

    impl Outcome {
        const fn as_str(self) -> &'static str {
            match self {
                Self::Cut => "cut",
                Self::InFlight => "in_flight",
                Self::Lost => "lost",
                Self::Mismatch => "mismatch",
                Self::Panicked => "panicked",
                Self::Replayed => "replayed",
                Self::Started => "started",
                Self::TooMany => "too_many",
                Self::Unavailable => "unavailable",
                Self::Unknown => "unknown",
                Self::Unprotected => "unprotected",
                Self::Unrecorded => "unrecorded",
            }
        }
    }

    /// A key in a log: its hash, computed for a subscriber that wants it and not otherwise.
    struct Hashed<'a>(Option<&'a IdempotencyKey>);

    impl fmt::Display for Hashed<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.0 {
                Some(key) => key.hash().fmt(f),
                None => f.write_str("-"),
            }
        }
    }

    /// A request with a key came this far.
    pub(crate) fn inbound(outcome: Outcome, key: Option<&IdempotencyKey>) {
        tracing::debug!(
            idempotency.outcome = outcome.as_str(),
            idempotency.key_hash = %Hashed(key),
            "idempotency key received",
        );
        count(outcome.as_str());
    }

    /// A request was refused before its key was looked up.
    pub(crate) fn refused_inbound(refused: Refused) {
        tracing::debug!(error.type = refused.as_str(), "request refused");
        count(refused.as_str());
    }

    /// An answer is not kept.
    pub(crate) fn unkept(key: Option<&IdempotencyKey>, why: &str) {
        tracing::debug!(
            idempotency.key_hash = %Hashed(key),
            error.type = why,
            "answer not kept",
        );
    }

    /// An answer whose client did not wait for its record is recorded now.
    pub(crate) fn recorded_late(key: Option<&IdempotencyKey>) {
        tracing::debug!(idempotency.key_hash = %Hashed(key), "answer recorded late");
    }

    /// A handler still runs, and its claim is gone.
    pub(crate) fn lease_lost(key: Option<&IdempotencyKey>) {
        tracing::warn!(idempotency.key_hash = %Hashed(key), "idempotency lease lost");
    }

    /// The store did not answer.
    pub(crate) fn store_failed(operation: &'static str, error: &StoreError) {
        tracing::warn!(
            db.operation.name = operation,
            error.type = %error.kind(),
            error = %error,
            "idempotency store failed",
        );
    }

    #[cfg_attr(
        not(feature = "metrics"),
        allow(unused_variables, reason = "counted by `metrics` alone")
    )]
    fn count(outcome: &'static str) {
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotency.requests", "idempotency.outcome" => outcome).increment(1);
    }
}
