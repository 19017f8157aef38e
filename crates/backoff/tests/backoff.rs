//! Schedules, to the nanosecond, with numbers drawn by hand.

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter, spread};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const HALF: u64 = 1 << 63;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn an_exponential_schedule_doubles_up_to_its_cap() {
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::None);
    let waits: Vec<_> = (1..=7)
        .map(|retry| backoff.delay(retry, Duration::ZERO, &|| 0).as_secs())
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 20, 20]);
}

#[test]
fn a_constant_schedule_ignores_the_retry_number() {
    let backoff = Backoff::constant(millis(250)).jitter(Jitter::None);
    for retry in [1, 2, 1000, u32::MAX] {
        assert_eq!(backoff.ceiling(retry), millis(250));
    }
}

#[test]
fn retry_number_zero_counts_as_the_first() {
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::None);
    assert_eq!(backoff.ceiling(0), backoff.ceiling(1));
}

#[test]
fn full_jitter_is_taken_after_the_cap_so_a_capped_fleet_stays_spread() {
    let backoff = Backoff::exponential(SECOND);
    assert_eq!(backoff.delay(50, Duration::ZERO, &|| 0), Duration::ZERO);
    assert_eq!(backoff.delay(50, Duration::ZERO, &|| HALF), SECOND * 10);
    let most = backoff.delay(50, Duration::ZERO, &|| u64::MAX);
    assert!(most < SECOND * 20 && most > millis(19_999));
}

#[test]
fn equal_jitter_keeps_half() {
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::Equal);
    assert_eq!(backoff.delay(2, Duration::ZERO, &|| 0), SECOND);
    assert_eq!(backoff.delay(2, Duration::ZERO, &|| HALF), millis(1500));
}

#[test]
fn decorrelated_jitter_grows_from_the_previous_wait() {
    let backoff = Backoff::exponential(SECOND).jitter(Jitter::Decorrelated);
    assert_eq!(backoff.delay(1, Duration::ZERO, &|| 0), SECOND);
    assert_eq!(backoff.delay(1, Duration::ZERO, &|| HALF), SECOND * 2);
    assert_eq!(backoff.delay(2, SECOND * 2, &|| HALF), millis(3500));
    assert_eq!(backoff.delay(9, SECOND * 20, &|| u64::MAX), SECOND * 20);
    assert_eq!(backoff.delay(9, Duration::MAX, &|| u64::MAX), SECOND * 20);
}

#[test]
fn jitter_around_stays_within_its_percentage() {
    let backoff = Backoff::constant(SECOND * 30).jitter(Jitter::Around(10));
    assert_eq!(backoff.delay(1, Duration::ZERO, &|| 0), SECOND * 27);
    assert_eq!(backoff.delay(1, Duration::ZERO, &|| HALF), SECOND * 30);
    assert!(backoff.delay(1, Duration::ZERO, &|| u64::MAX) < SECOND * 33);

    let wild = Backoff::constant(SECOND).jitter(Jitter::Around(255));
    assert_eq!(wild.delay(1, Duration::ZERO, &|| 0), Duration::ZERO);
}

#[test]
fn a_hint_is_a_lower_bound_spread_upward_only() {
    assert_eq!(spread(SECOND * 2, &|| 0), SECOND * 2);
    assert_eq!(spread(SECOND * 2, &|| HALF), millis(2500));
    assert!(spread(SECOND * 2, &|| u64::MAX) < SECOND * 3);
    assert_eq!(spread(Duration::ZERO, &|| u64::MAX), Duration::ZERO);
    assert_eq!(spread(Duration::MAX, &|| u64::MAX), Duration::MAX);
}

#[test]
fn a_huge_base_and_a_huge_retry_number_saturate_at_the_cap() {
    let day = SECOND * 86_400;
    let backoff = Backoff::exponential(day)
        .cap(Duration::MAX)
        .jitter(Jitter::None);
    assert!((1..=1025).all(|retry| backoff.ceiling(retry) >= day));
    assert_eq!(backoff.cap(day * 2).ceiling(1000), day * 2);
}

proptest! {
    #[test]
    fn no_wait_exceeds_what_its_jitter_promises(
        base in 0..u64::MAX, cap in 0..u64::MAX, factor in 1..u32::MAX,
        retry: u32, previous in 0..u64::MAX, random: u64,
    ) {
        let cap = Duration::from_nanos(cap);
        let backoff = Backoff::exponential(Duration::from_nanos(base))
            .factor(NonZeroU32::new(factor).unwrap())
            .cap(cap);
        let ceiling = backoff.ceiling(retry);
        prop_assert!(ceiling <= cap);
        for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            let wait = backoff.jitter(jitter).delay(retry, Duration::from_nanos(previous), &|| random);
            prop_assert!(wait <= cap);
            match jitter {
                Jitter::Equal => prop_assert!(wait >= ceiling / 2),
                Jitter::None => prop_assert_eq!(wait, ceiling),
                _ => {}
            }
        }
    }

    #[test]
    fn the_ceiling_never_falls_as_retries_go_on(base in 0..u64::MAX, factor in 1..100_u32, retry in 1..u32::MAX) {
        let backoff = Backoff::exponential(Duration::from_nanos(base))
            .factor(NonZeroU32::new(factor).unwrap());
        prop_assert!(backoff.ceiling(retry) <= backoff.ceiling(retry + 1));
    }
}
