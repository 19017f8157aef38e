use buttress_classify::{Classify, DynError, Health as Seen, Opinion, Verdict, find};

use crate::pass::{Health, Outcome};

/// What an attempt says of its peer, by a classifier that may have no opinion.
///
/// An error may then speak for itself; else a response is a good sign and an error a bad one.
#[inline]
pub(crate) fn judge<Res, C>(classifier: &C, attempt: Result<&Res, &DynError>) -> Outcome
where
    C: Classify<Res>,
{
    match (classifier.classify(attempt), attempt) {
        (Some(verdict), _) => outcome(&verdict),
        (None, Ok(_)) => Outcome::new(Health::Good),
        (None, Err(error)) => find::<Opinion>(error).map_or(Outcome::new(Health::Bad), |opinion| {
            outcome(&opinion.verdict)
        }),
    }
}

#[inline]
const fn outcome(verdict: &Verdict) -> Outcome {
    Outcome {
        health: match verdict.health {
            Seen::Bad => Health::Bad,
            Seen::Good => Health::Good,
            Seen::Neutral => Health::Neutral,
            Seen::Throttled => Health::Throttled,
        },
        slow: false,
        retry_after: verdict.retry_after,
    }
}
