use std::time::Duration;

use buttress_classify::{Class, Classify, DynError, Health, HttpClassifier, Verdict};
use http::Response;

use crate::Profile;

/// The wait that an answer "in flight" asks for when it names none.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// Judges the failures whose meaning the key changes, and has no opinion on anything else.
///
/// - Replayed: it can never change under this key. Permanent and neutral.
/// - In flight: transient and neutral, not before the server's own hint or else one second.
/// - Certified as not executed: what [`HttpClassifier`] says, provably unsent.
impl<B> Classify<Response<B>> for Profile {
    fn classify(&self, outcome: Result<&Response<B>, &DynError>) -> Option<Verdict> {
        let response = outcome.ok()?;
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return None;
        }
        // The marker comes first: a replayed 409 is a stored answer, not a request in flight.
        if self.is_replay(response.headers()) {
            return Some(Verdict::rejected("replayed").with_health(Health::Neutral));
        }
        if self.tells_in_flight(status, response.headers()) {
            let mut verdict = HttpClassifier.classify(outcome)?;
            verdict.class = Class::Transient;
            verdict.health = Health::Neutral;
            verdict.retry_after = verdict.retry_after.or(Some(IN_FLIGHT));
            verdict.reason = "key_in_flight";
            return Some(verdict);
        }
        if self.certifies_unexecuted(status) {
            return HttpClassifier.classify(outcome).map(Verdict::unsent);
        }
        None
    }
}
