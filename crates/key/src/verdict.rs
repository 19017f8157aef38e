use std::time::Duration;

use buttress_classify::{Classify, DynError, Health, Verdict};
use http::{Response, StatusCode};

use crate::Profile;

/// The wait that an in-flight answer asks for when it names none.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// Judges the answers whose meaning the key changes, and has no opinion on the others.
///
/// - Replayed failure: it can never change under this key. Permanent, neutral.
/// - Key in flight: transient, neutral, not before the server's hint or else one second.
/// - Certified as not executed: what the status says, provably unsent.
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
        if self.is_in_flight(status) {
            let verdict = Verdict::transient("key_in_flight").with_health(Health::Neutral);
            return Some(verdict.with_retry_after(Some(IN_FLIGHT)));
        }
        self.certifies_unexecuted(status)
            .then(|| by_status(status).unsent())
    }
}

fn by_status(status: StatusCode) -> Verdict {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Verdict::throttled("429"),
        _ if status.is_server_error() => Verdict::transient("5xx"),
        _ => Verdict::rejected("4xx"),
    }
}
