//! Every event this crate emits; no other file names a field or a metric.

use buttress_key::Profile;

use crate::{OutboundKey, Refusal};

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
pub(crate) fn keyed(profile: &Profile, owned: &OutboundKey, origin: Origin) {
    // The hash is computed for a subscriber that wants it, and not otherwise.
    tracing::trace!(
        idempotency.profile = profile.name(),
        idempotency.key_hash = %owned.key().hash(),
        idempotency.key_origin = origin.as_str(),
        idempotency.generation = owned.generation(),
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
