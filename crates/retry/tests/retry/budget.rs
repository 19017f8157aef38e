//! What the budget lets through.

use std::convert::Infallible;
use std::time::Duration;

use buttress_backoff::Backoff;
use buttress_retry::{Budget, Reason, RetryLayer};
use http::{Request, Response};
use proptest::prelude::*;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

use crate::peer::{Body, Peer, get, send, status, story};

const SECOND: Duration = Duration::from_secs(1);

/// Withdraws at `now` until refused.
fn drain(budget: &Budget, now: Instant) -> u64 {
    let mut paid = 0;
    while budget.withdraw(now) {
        paid += 1;
    }
    paid
}

#[test]
fn a_percentage_of_the_successes_is_exact() {
    let now = Instant::now();
    for percent in (0..=100).chain([200, 999]) {
        let budget = Budget::new(percent, 0);
        for _ in 0..1000 {
            budget.deposit(now);
        }
        assert_eq!(drain(&budget, now), u64::from(percent) * 10, "{percent} %");
    }
}

#[test]
fn deposits_and_withdrawals_in_turn_give_the_same_sum() {
    let now = Instant::now();
    for percent in [1, 20, 30, 60, 70, 90, 100] {
        let budget = Budget::new(percent, 10);
        let retries = (0..10_000)
            .filter(|_| {
                budget.deposit(now);
                budget.withdraw(now)
            })
            .count();
        assert_eq!(
            retries,
            (percent as usize * 100 + 100).min(10_000),
            "{percent} %"
        );
    }
}

#[test]
fn the_reserve_may_be_spent_at_once_and_comes_back_with_the_window() {
    let budget = Budget::default();
    let start = Instant::now();
    assert_eq!(drain(&budget, start), 100);
    assert_eq!(drain(&budget, start + SECOND * 8), 0);
    assert_eq!(drain(&budget, start + SECOND * 11), 100);
    assert_eq!(drain(&Budget::payments(), start), 10);
}

#[test]
fn what_was_earned_falls_out_of_the_window() {
    let budget = Budget::new(20, 0);
    let start = Instant::now();
    for _ in 0..100 {
        budget.deposit(start);
    }
    assert_eq!(budget.balance(start), Some(20));
    assert_eq!(budget.balance(start + SECOND * 8), Some(20));
    assert_eq!(budget.balance(start + SECOND * 11), Some(0));
    assert!(!budget.withdraw(start + SECOND * 11));
}

#[test]
fn nothing_earned_and_no_reserve_is_no_retry_and_unlimited_is_any_number() {
    let now = Instant::now();
    assert!(!Budget::new(0, 0).withdraw(now));
    let unlimited = Budget::unlimited();
    assert!((0..10_000).all(|_| unlimited.withdraw(now)));
    assert_eq!(unlimited.balance(now), None);
}

#[test]
fn extreme_terms_do_not_overflow() {
    let now = Instant::now();
    let budget = Budget::new(u32::MAX, u32::MAX);
    budget.deposit(now);
    assert!(budget.withdraw(now));
    assert!(budget.withdraw(now + Duration::from_secs(u64::from(u32::MAX) * 2)));
}

proptest! {
    #[test]
    fn no_retry_is_granted_beyond_what_its_window_earned_and_reserved(
        percent in 0_u32..150,
        reserve in 0_u32..4,
        steps in prop::collection::vec((0_u64..2500, 0_u32..6, 0_u32..6), 1..120),
    ) {
        let budget = Budget::new(percent, reserve);
        let mut now = Instant::now();
        // Every event with its time, oldest first.
        let (mut successes, mut retries) = (Vec::new(), Vec::new());
        for (pause, good, bad) in steps {
            now += Duration::from_millis(pause);
            for _ in 0..good {
                budget.deposit(now);
                successes.push(now);
            }
            for _ in 0..bad {
                if !budget.withdraw(now) {
                    continue;
                }
                retries.push(now);
                let count = |events: &[Instant], span| {
                    events.iter().filter(|&&event| now - event < span).count() as u64
                };
                // A window ends between 9 and 10 s ago: at least 9 s are seen, and at most 10.
                let spent = count(&retries, SECOND * 9);
                let earned = count(&successes, SECOND * 10) * u64::from(percent) / 100;
                prop_assert!(spent <= earned + u64::from(reserve) * 10);
            }
        }
    }
}

fn poor() -> RetryLayer {
    RetryLayer::new()
        .backoff(Backoff::constant(Duration::ZERO))
        .budget(Budget::new(10, 0))
}

async fn retries(layer: &RetryLayer) -> Option<Reason> {
    let answered = send(layer, &Peer::new([status(503)]), get()).await;
    story(&answered).map(|story| story.stopped)
}

#[tokio::test(start_paused = true)]
async fn successes_pay_for_retries_across_clones_and_services_of_one_layer() {
    let layer = poor();
    assert_eq!(retries(&layer).await, Some(Reason::Budget));
    for _ in 0..10 {
        // Each is a service of its own, from a clone of the layer.
        send(&layer.clone(), &Peer::new([]), get()).await.unwrap();
    }
    assert_eq!(
        retries(&layer.clone().isolated()).await,
        Some(Reason::Budget)
    );
    assert_eq!(retries(&layer.clone()).await, Some(Reason::Success));
    assert_eq!(retries(&layer).await, Some(Reason::Budget));
}

#[tokio::test(start_paused = true)]
async fn failures_earn_nothing_and_first_attempts_are_never_refused() {
    let layer = poor();
    for _ in 0..50 {
        let peer = Peer::new([status(503)]);
        send(&layer, &peer, get()).await.unwrap();
        assert_eq!(peer.calls(), 1);
    }
    assert_eq!(retries(&layer).await, Some(Reason::Budget));
}

#[tokio::test(start_paused = true)]
async fn a_success_earns_whichever_attempt_it_was() {
    let budget = Budget::new(100, 1);
    let layer = poor().budget(budget.clone());
    send(&layer, &Peer::new([]), get()).await.unwrap();
    assert_eq!(budget.balance(Instant::now()), Some(11));

    let peer = Peer::new([status(503), status(503)]);
    send(&layer, &peer, get()).await.unwrap();
    assert_eq!(budget.balance(Instant::now()), Some(11 - 2 + 1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_refused_for_another_reason_costs_nothing() {
    let budget = Budget::new(0, 1);
    let layer = poor().budget(budget.clone());
    let hinted = status(503).with("retry-after", "3600");
    send(&layer, &Peer::new([hinted]), get()).await.unwrap();
    assert_eq!(budget.balance(Instant::now()), Some(10));
}

#[tokio::test(start_paused = true)]
async fn a_success_that_was_waited_for_counts_in_the_second_in_which_it_came() {
    let budget = Budget::new(100, 0);
    let slow = service_fn(async |_: Request<_>| {
        sleep(SECOND).await;
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let layer = poor().budget(budget.clone());
    layer.layer(slow).oneshot(get()).await.unwrap();
    advance(SECOND * 10).await;
    assert_eq!(budget.balance(Instant::now()), Some(0));
}
