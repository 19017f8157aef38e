use std::num::NonZeroU32;
use std::time::Duration;

use buttress_backoff::{Backoff, Random, spread};
use buttress_classify::{Class, Health, Sent, Verdict};

use crate::Reason;

/// The part of a policy that the decision reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) attempts: NonZeroU32,
    pub(crate) backoff: Backoff,
    pub(crate) max_hint: Duration,
}

/// All that is known when an attempt has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) verdict: Verdict,
    /// The ordinal of the attempt that ended.
    pub(crate) attempt: NonZeroU32,
    /// The maximum over all attempts so far.
    pub(crate) sent: Sent,
    /// Safe to repeat though it may have been executed.
    pub(crate) safe: bool,
    /// Its body can be sent again.
    pub(crate) replayable: bool,
    /// The wait before this attempt.
    pub(crate) previous: Duration,
    /// The time left until the deadline, if there is one.
    pub(crate) remaining: Option<Duration>,
}

/// What follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    /// Another attempt, after this wait.
    Retry(Duration),
    Stop(Reason),
}

impl Terms {
    /// Decides; `pay` is asked last and only for what costs, so a refusal for another reason
    /// leaves the budget whole.
    pub(crate) fn decide(
        &self,
        facts: &Facts,
        random: &(impl Random + ?Sized),
        pay: impl FnOnce() -> bool,
    ) -> Decision {
        match self.check(facts, random) {
            Ok(delay) if is_free(&facts.verdict) || pay() => Decision::Retry(delay),
            Ok(_) => Decision::Stop(Reason::Budget),
            Err(reason) => Decision::Stop(reason),
        }
    }

    fn check(&self, facts: &Facts, random: &(impl Random + ?Sized)) -> Result<Duration, Reason> {
        match facts.verdict.class {
            Class::Success => return Err(Reason::Success),
            Class::Permanent => return Err(Reason::Permanent),
            Class::Transient | Class::Throttled => {}
        }
        if facts.verdict.veto {
            return Err(Reason::Vetoed);
        }
        if facts.attempt >= self.attempts {
            return Err(Reason::Attempts);
        }
        // Before the next: of a body that is not kept nobody asks whether it would be safe to repeat.
        if !facts.replayable {
            return Err(Reason::NotReplayable);
        }
        if facts.sent != Sent::No && !facts.safe {
            return Err(Reason::Unsafe);
        }
        let delay = match facts.verdict.retry_after {
            Some(hint) if hint > self.max_hint => return Err(Reason::HintTooLong),
            Some(hint) if !hint.is_zero() => spread(hint, random),
            // A hint of zero is a lower bound that every wait keeps.
            _ => self
                .backoff
                .delay(facts.attempt.get(), facts.previous, random),
        };
        if facts.remaining.is_some_and(|remaining| delay >= remaining) {
            return Err(Reason::Deadline);
        }
        Ok(delay)
    }
}

/// Waiting for one's own first request adds no load to a peer in trouble.
fn is_free(verdict: &Verdict) -> bool {
    verdict.class == Class::Transient && verdict.health == Health::Neutral
}

#[cfg(test)]
mod tests {
    use buttress_backoff::Jitter;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TERMS: Terms = Terms {
        attempts: NonZeroU32::new(3).unwrap(),
        backoff: Backoff::exponential(SECOND).jitter(Jitter::None),
        max_hint: Duration::from_secs(60),
    };

    fn facts(verdict: Verdict) -> Facts {
        Facts {
            verdict,
            attempt: NonZeroU32::MIN,
            sent: verdict.sent,
            safe: true,
            replayable: true,
            previous: Duration::ZERO,
            remaining: None,
        }
    }

    fn hinted(hint: Duration) -> Verdict {
        Verdict::throttled("429").with_retry_after(Some(hint))
    }

    fn decide(facts: &Facts) -> Decision {
        TERMS.decide(facts, &|| 0, || true)
    }

    #[test]
    fn what_worked_or_will_not_change_is_left_alone() {
        for (verdict, reason) in [
            (Verdict::success(), Reason::Success),
            (Verdict::rejected("4xx"), Reason::Permanent),
            (Verdict::permanent("tls"), Reason::Permanent),
            (Verdict::refused("open"), Reason::Permanent),
            (Verdict::transient("503").vetoed(), Reason::Vetoed),
        ] {
            assert_eq!(decide(&facts(verdict)), Decision::Stop(reason));
        }
    }

    #[test]
    fn the_schedule_is_followed_until_the_attempts_are_used() {
        let waits: Vec<_> = (1..=3)
            .map(|attempt| {
                decide(&Facts {
                    attempt: NonZeroU32::new(attempt).unwrap(),
                    ..facts(Verdict::transient("503"))
                })
            })
            .collect();
        assert_eq!(
            waits,
            [
                Decision::Retry(SECOND),
                Decision::Retry(SECOND * 2),
                Decision::Stop(Reason::Attempts)
            ]
        );
    }

    #[test]
    fn a_veto_says_so_even_when_no_attempt_is_left() {
        let facts = Facts {
            attempt: NonZeroU32::new(3).unwrap(),
            ..facts(Verdict::transient("503").vetoed())
        };
        assert_eq!(decide(&facts), Decision::Stop(Reason::Vetoed));
    }

    #[test]
    fn an_unsafe_request_is_repeated_only_while_nothing_was_sent() {
        let unsent = Facts {
            safe: false,
            ..facts(Verdict::transient("connect").unsent())
        };
        assert_eq!(decide(&unsent), Decision::Retry(SECOND));

        let sent_before = Facts {
            sent: Sent::Maybe,
            ..unsent
        };
        assert_eq!(decide(&sent_before), Decision::Stop(Reason::Unsafe));
    }

    #[test]
    fn a_body_that_is_gone_ends_it() {
        let facts = Facts {
            replayable: false,
            ..facts(Verdict::transient("503"))
        };
        assert_eq!(decide(&facts), Decision::Stop(Reason::NotReplayable));
    }

    #[test]
    fn the_budget_is_asked_last_and_not_for_a_key_in_flight() {
        let ask = |facts: &Facts| TERMS.decide(facts, &|| 0, || false);
        let refused = facts(Verdict::transient("503"));
        assert_eq!(ask(&refused), Decision::Stop(Reason::Budget));
        assert_eq!(
            ask(&Facts {
                safe: false,
                ..refused
            }),
            Decision::Stop(Reason::Unsafe)
        );
        let in_flight = Verdict::transient("key_in_flight").with_health(Health::Neutral);
        let unasked = TERMS.decide(&facts(in_flight), &|| 0, || panic!("asked to pay"));
        assert_eq!(unasked, Decision::Retry(SECOND));
        // Throttled is not the same as in flight, whatever its health.
        let throttled = Verdict::throttled("429").with_health(Health::Neutral);
        assert_eq!(ask(&facts(throttled)), Decision::Stop(Reason::Budget));
    }

    #[test]
    fn a_hint_replaces_the_schedule_and_too_long_a_one_ends_it() {
        let decide = |seconds, random: u64| {
            TERMS.decide(
                &facts(hinted(Duration::from_secs(seconds))),
                &|| random,
                || true,
            )
        };
        assert_eq!(decide(60, 0), Decision::Retry(SECOND * 60));
        assert_eq!(
            decide(10, 1 << 63),
            Decision::Retry(Duration::from_millis(12_500))
        );
        assert_eq!(decide(61, 0), Decision::Stop(Reason::HintTooLong));
        assert_eq!(decide(0, 0), Decision::Retry(SECOND));
    }

    #[test]
    fn a_wait_must_end_before_the_deadline() {
        let left = |remaining| {
            decide(&Facts {
                remaining: Some(remaining),
                ..facts(Verdict::transient("503"))
            })
        };
        assert_eq!(left(SECOND), Decision::Stop(Reason::Deadline));
        assert_eq!(
            left(SECOND + Duration::from_nanos(1)),
            Decision::Retry(SECOND)
        );
    }

    proptest! {
        #[test]
        fn no_hint_is_undercut_and_none_stretched_by_half(
            hint in (1_u64..60_000_000_000).prop_map(Duration::from_nanos),
            random: u64,
        ) {
            let decision = TERMS.decide(&facts(hinted(hint)), &|| random, || true);
            let Decision::Retry(delay) = decision else {
                panic!("{decision:?}");
            };
            prop_assert!(delay >= hint && delay <= hint + hint / 2, "{delay:?}");
        }
    }
}
