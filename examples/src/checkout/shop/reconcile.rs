//! What to do about an order of which nobody knows whether it was charged.
//!
//! The rule, which never guesses: what a search finds is paid. What it does not find is sent again
//! under the same key, for that cannot charge twice. A key that is spent, because the provider
//! answers it with a stored failure or may have forgotten it, is replaced only if the charge is
//! *certainly* absent: absent in a search that was begun after no attempt under the key could still
//! be running, and after all that had run had found its way into the provider's index.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::Found;
use super::row::Doubt;

/// What the shop assumes of its provider, beyond what the provider's profile says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lags {
    /// No charge runs longer than this after its request was sent.
    pub execution: Duration,
    /// A charge can be found by a search this long after it was made.
    pub indexing: Duration,
}

/// What follows a search.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Send it again under the same key.
    Again,
    /// Begin anew, under another key.
    Anew,
    /// It is paid, by these payments.
    Paid(Vec<String>),
    /// Look again later.
    Wait,
}

/// Decides what follows a search that was begun at `begun`.
#[must_use]
pub fn next(doubt: &Doubt, found: &Found, begun: Instant, lags: &Lags) -> Step {
    match found {
        Found::Paid(payments) => Step::Paid(payments.clone()),
        Found::Absent | Found::NoAnswer if doubt.spent.is_none() => Step::Again,
        Found::Absent if begun >= doubt.quiet + lags.indexing => Step::Anew,
        Found::Absent | Found::NoAnswer | Found::Undecided => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::shop::row::Spent;

    const LAGS: Lags = Lags {
        execution: Duration::from_secs(10),
        indexing: Duration::from_secs(5),
    };

    fn doubt(spent: Option<Spent>, quiet: Instant) -> Doubt {
        Doubt {
            sent: true,
            spent,
            quiet,
        }
    }

    #[test]
    fn a_usable_key_is_used_again_whether_or_not_there_is_a_search() {
        let now = Instant::now();
        let doubt = doubt(None, now);
        assert_eq!(next(&doubt, &Found::Absent, now, &LAGS), Step::Again);
        assert_eq!(next(&doubt, &Found::NoAnswer, now, &LAGS), Step::Again);
        assert_eq!(next(&doubt, &Found::Undecided, now, &LAGS), Step::Wait);
    }

    #[test]
    fn a_spent_key_is_replaced_only_once_absence_is_proven() {
        let quiet = Instant::now();
        for spent in [Spent::Expired, Spent::StoredFailure] {
            let doubt = doubt(Some(spent), quiet);
            let after = |delay| next(&doubt, &Found::Absent, quiet + delay, &LAGS);
            assert_eq!(after(Duration::ZERO), Step::Wait);
            assert_eq!(
                after(LAGS.indexing.saturating_sub(Duration::from_nanos(1))),
                Step::Wait
            );
            assert_eq!(after(LAGS.indexing), Step::Anew);
        }
    }

    #[test]
    fn without_a_search_a_spent_key_is_never_replaced() {
        let quiet = Instant::now();
        let doubt = doubt(Some(Spent::StoredFailure), quiet);
        let years = Duration::from_hours(24 * 365 * 9);
        assert_eq!(
            next(&doubt, &Found::NoAnswer, quiet + years, &LAGS),
            Step::Wait
        );
        assert_eq!(
            next(&doubt, &Found::Undecided, quiet + years, &LAGS),
            Step::Wait
        );
    }

    #[test]
    fn what_is_found_is_paid_whatever_was_thought() {
        let now = Instant::now();
        let found = Found::Paid(vec!["pi_1".into()]);
        let paid = Step::Paid(vec!["pi_1".into()]);
        for spent in [None, Some(Spent::Expired), Some(Spent::StoredFailure)] {
            assert_eq!(next(&doubt(spent, now), &found, now, &LAGS), paid);
        }
    }
}
