//! What an open circuit does, and how it closes again.

use std::task::Poll;

use buttress_backoff::Jitter;
use buttress_circuit_breaker::{Cause, CircuitBreakerLayer, Open, State};
use buttress_classify::{Class, Classify, ErrorClassifier, Health, Sent, find};
use futures_util::poll;
use std::pin::pin;
use tokio::time::advance;
use tower::{Service, ServiceExt};

use crate::peer::{
    Do, Guarded, call, calls, consecutive, guarded, millis, ratio, refusal, secs, some,
};

/// A call that is under way.
macro_rules! begin {
    ($service:expr, $what:expr) => {{
        let mut call = Box::pin($service.ready().await.unwrap().call($what));
        assert!(poll!(&mut call).is_pending());
        call
    }};
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_until_its_time_is_over_and_says_how_long() {
    let (mut service, circuit) = guarded(consecutive(1).name("ledger").open_for(secs(10)));
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(refusal(&mut service).await, Some(Some(secs(10))));

    advance(millis(9_999)).await;
    let error = call(&mut service, Do::Succeed).await.unwrap_err();
    let open = find::<Open>(&*error).unwrap();
    assert_eq!(open.retry_after(), Some(millis(1)));
    assert_eq!(open.name(), "ledger");
    assert_eq!(error.to_string(), "circuit `ledger` open for another 1ms");

    advance(millis(1)).await;
    call(&mut service, Do::Succeed).await.unwrap();
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_was_not_sent_and_is_neither_retried_nor_held_against_the_peer() {
    let (mut service, _) = guarded(consecutive(1).open_for(secs(10)));
    calls(&mut service, Do::Fail, 1).await;
    let error = call(&mut service, Do::Succeed).await.unwrap_err();
    let verdict = Classify::<()>::classify(&ErrorClassifier, Err(&*error)).unwrap();
    assert_eq!(verdict.class, Class::Permanent);
    assert_eq!(verdict.sent, Sent::No);
    assert_eq!(verdict.health, Health::Neutral);
    assert_eq!(verdict.retry_after, Some(secs(10)));
}

#[tokio::test(start_paused = true)]
async fn refusals_neither_lengthen_the_open_time_nor_announce_it_again() {
    let (mut service, circuit) = guarded(consecutive(1).open_for(secs(10)));
    let mut transitions = circuit.watch();
    calls(&mut service, Do::Fail, 1).await;
    advance(secs(9)).await;
    calls(&mut service, Do::Succeed, 100).await;
    assert_eq!(circuit.snapshot().refused, 100);
    assert_eq!(refusal(&mut service).await, Some(Some(secs(1))));

    assert_eq!(transitions.next().await.unwrap().to, State::Open);
    assert!(poll!(pin!(transitions.next())).is_pending());
}

#[tokio::test(start_paused = true)]
async fn the_open_time_doubles_to_its_cap_and_starts_anew_once_closed() {
    let (mut service, circuit) = guarded(consecutive(1).open_for(secs(60)));
    for expected in [60, 120, 240, 300, 300] {
        calls(&mut service, Do::Fail, 1).await;
        assert_eq!(refusal(&mut service).await, Some(Some(secs(expected))));
        advance(secs(expected)).await;
    }
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed);
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(refusal(&mut service).await, Some(Some(secs(60))));
}

#[tokio::test(start_paused = true)]
async fn the_open_time_is_thirty_seconds_give_or_take_a_tenth() {
    for (drawn, expected) in [(0, 27.0), (u64::MAX / 2, 30.0), (u64::MAX, 33.0)] {
        let (mut service, _) = guarded(CircuitBreakerLayer::any().random(move || drawn));
        calls(&mut service, Do::Fail, 5).await;
        let wait = refusal(&mut service).await.unwrap().unwrap();
        assert!((wait.as_secs_f64() - expected).abs() < 1e-6, "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_as_long_as_the_peer_asked_but_no_longer_than_the_cap() {
    let hints = [(7, 7), (299, 299), (3600, 300)];
    for (asked, expected) in hints {
        let (mut service, _) = guarded(consecutive(1).jitter(Jitter::Around(10)));
        calls(&mut service, Do::FailFor(secs(asked)), 1).await;
        assert_eq!(refusal(&mut service).await, Some(Some(secs(expected))));
    }
    let (mut service, _) = guarded(consecutive(1));
    calls(&mut service, Do::FailFor(secs(0)), 1).await;
    assert_eq!(
        refusal(&mut service).await,
        Some(Some(secs(30))),
        "now is no wish"
    );
}

async fn half_open(service: &mut Guarded) {
    calls(service, Do::Fail, 1).await;
    advance(secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn one_probe_decides_and_others_wait_for_it() {
    let (mut service, circuit) = guarded(consecutive(1));
    half_open(&mut service).await;
    let probe = begin!(service, Do::SucceedAfter(secs(5)));
    assert_eq!(circuit.state(), State::HalfOpen);
    assert_eq!(refusal(&mut service).await, Some(Some(secs(30))));

    probe.await.unwrap();
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn as_many_probes_must_succeed_as_may_run() {
    let (mut service, circuit) = guarded(consecutive(1).probes(some(3)));
    half_open(&mut service).await;
    calls(&mut service, Do::Succeed, 2).await;
    let third = begin!(service, Do::SucceedAfter(secs(1)));
    assert!(refusal(&mut service).await.is_some(), "no fourth");
    assert_eq!(circuit.state(), State::HalfOpen);
    third.await.unwrap();
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn any_failure_of_a_probe_opens_it_again() {
    for bad in [Do::Fail, Do::Throttle] {
        let (mut service, circuit) = guarded(consecutive(1).probes(some(3)));
        half_open(&mut service).await;
        calls(&mut service, Do::Succeed, 2).await;
        calls(&mut service, bad, 1).await;
        assert_eq!(circuit.state(), State::Open);
        assert_eq!(refusal(&mut service).await, Some(Some(secs(60))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_fails() {
    let (mut service, circuit) = guarded(ratio(1).slow_calls(secs(1), 0.5));
    half_open(&mut service).await;
    calls(&mut service, Do::SucceedAfter(secs(2)), 1).await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn an_ignored_probe_makes_room_for_another() {
    let (mut service, circuit) = guarded(consecutive(1));
    half_open(&mut service).await;
    for _ in 0..10 {
        calls(&mut service, Do::Ignore, 1).await;
        assert_eq!(circuit.state(), State::HalfOpen);
    }
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_probe_makes_room_for_another() {
    let (mut service, circuit) = guarded(consecutive(1));
    half_open(&mut service).await;
    drop(begin!(service, Do::Hang));
    assert_eq!(circuit.state(), State::HalfOpen);
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_opens_it_again() {
    let (mut service, circuit) = guarded(consecutive(1));
    half_open(&mut service).await;
    let spawned = tokio::spawn(service.ready().await.unwrap().call(Do::Panic));
    assert!(spawned.await.unwrap_err().is_panic());
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_never_answers_is_given_up() {
    let (mut service, circuit) = guarded(consecutive(1).probe_timeout(secs(8)));
    half_open(&mut service).await;
    let hung = begin!(service, Do::SucceedAfter(secs(100)));
    advance(millis(7_999)).await;
    assert_eq!(refusal(&mut service).await, Some(Some(millis(1))));
    advance(millis(1)).await;
    let second = begin!(service, Do::SucceedAfter(secs(1)));

    // The first was given up for the second, so its answer is late.
    drop(hung);
    assert_eq!(circuit.snapshot().late, 1);
    assert_eq!(circuit.state(), State::HalfOpen);
    second.await.unwrap();
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn probes_far_apart_close_it_in_the_end() {
    let (mut service, circuit) = guarded(ratio(1).time_window(millis(50)).probes(some(3)));
    half_open(&mut service).await;
    for _ in 0..3 {
        assert_ne!(circuit.state(), State::Closed);
        calls(&mut service, Do::Succeed, 1).await;
        advance(secs(60)).await;
    }
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_the_trip_does_not_decide_the_trial() {
    let (mut service, circuit) = guarded(consecutive(1).probes(some(2)));
    let mut early = service.clone();
    let good = begin!(early, Do::SucceedAfter(secs(31)));
    let bad = begin!(early, Do::Hang);
    half_open(&mut service).await;
    calls(&mut service, Do::Succeed, 1).await;

    good.await.unwrap();
    assert_eq!(
        circuit.state(),
        State::HalfOpen,
        "a late success is no probe's"
    );
    advance(secs(11)).await;
    drop(bad);
    assert_eq!(circuit.state(), State::HalfOpen, "nor is a late failure");
    assert_eq!(circuit.snapshot().late, 2);

    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_the_trip_does_not_count_once_closed_again() {
    let (mut service, circuit) = guarded(ratio(1));
    let mut early = service.clone();
    let good = begin!(early, Do::SucceedAfter(secs(40)));
    half_open(&mut service).await;
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed);
    good.await.unwrap();
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);
    assert_eq!(circuit.snapshot().late, 1);
}

#[tokio::test(start_paused = true)]
async fn every_change_is_told_with_its_cause_and_generation() {
    let (mut service, circuit) = guarded(consecutive(1));
    let mut transitions = circuit.watch();
    calls(&mut service, Do::Fail, 1).await;
    advance(secs(30)).await;
    calls(&mut service, Do::Fail, 1).await;
    advance(secs(60)).await;
    calls(&mut service, Do::Succeed, 1).await;

    let mut told = Vec::new();
    while let Poll::Ready(Some(transition)) = poll!(pin!(transitions.next())) {
        told.push((transition.to, transition.cause, transition.generation));
    }
    assert_eq!(
        told,
        [
            (State::Open, Cause::ConsecutiveFailures, 1),
            (State::HalfOpen, Cause::CoolDownOver, 2),
            (State::Open, Cause::ProbeFailed, 3),
            (State::HalfOpen, Cause::CoolDownOver, 4),
            (State::Closed, Cause::ProbesSucceeded, 5),
        ]
    );
    drop((service, circuit));
    assert_eq!(transitions.next().await, None);
}
