//! Every event this crate emits; no other file names a field or a metric.

use std::error::Error;

use buttress_event::{Source, Verified};

use crate::Refused;

pub(crate) fn verified(receipt: &Verified) {
    let scheme = receipt.source().as_str();
    tracing::trace!(
        webhook.scheme = scheme,
        webhook.outcome = "verified",
        webhook.secret_index = receipt.secret_index(),
        "webhook verified",
    );
    count(scheme, "verified");
}

pub(crate) fn handshake(source: &Source) {
    let scheme = source.as_str();
    tracing::debug!(
        webhook.scheme = scheme,
        webhook.outcome = "handshake",
        "webhook handshake answered",
    );
    count(scheme, "handshake");
}

pub(crate) fn refused(source: &Source, refused: Refused) {
    let scheme = source.as_str();
    tracing::debug!(
        webhook.scheme = scheme,
        webhook.outcome = "refused",
        error.type = refused.as_str(),
        "webhook refused",
    );
    count(scheme, refused.as_str());
}

/// A tenant resolver failed; its error may say why, and is the program's own.
pub(crate) fn unresolved(error: &(dyn Error + Send + Sync + 'static)) {
    tracing::debug!(
        webhook.outcome = "refused",
        error.type = Refused::Unavailable.as_str(),
        error = error as &(dyn Error + 'static),
        "no scheme for a webhook",
    );
    count("", Refused::Unavailable.as_str());
}

#[cfg(feature = "metrics")]
fn count(scheme: &str, outcome: &'static str) {
    metrics::counter!(
        "webhook.verifications",
        "webhook.scheme" => scheme.to_owned(),
        "webhook.outcome" => outcome,
    )
    .increment(1);
}

#[cfg(not(feature = "metrics"))]
const fn count(_scheme: &str, _outcome: &'static str) {}
