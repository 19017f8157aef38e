//! The hand on the circuit.

use std::pin::pin;

use buttress_circuit_breaker::{Cause, State};
use futures_util::{StreamExt, poll};
use tokio::time::advance;
use tower::{Service, ServiceExt};

use crate::peer::{Do, call, calls, consecutive, guarded, ratio, refusal, secs, some};

#[tokio::test(start_paused = true)]
async fn forced_open_it_refuses_until_reset_whatever_the_time() {
    let (mut service, circuit) = guarded(consecutive(1).name("ledger"));
    circuit.force_open();
    advance(secs(100_000)).await;
    assert_eq!(refusal(&mut service).await, Some(None));
    assert_eq!(circuit.state(), State::ForcedOpen);
    let error = call(&mut service, Do::Succeed).await.unwrap_err();
    assert_eq!(error.to_string(), "circuit `ledger` open until reset");

    circuit.reset();
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn forced_closed_it_lets_everything_through_and_counts() {
    let (mut service, circuit) = guarded(ratio(1));
    circuit.force_closed();
    calls(&mut service, Do::Fail, 50).await;
    calls(&mut service, Do::Succeed, 50).await;
    assert_eq!(circuit.state(), State::ForcedClosed);
    let window = circuit.snapshot().time_window.unwrap();
    assert_eq!((window.calls, window.failures), (100, 50));
    assert_eq!(window.failure_ratio(), Some(0.5));

    circuit.reset();
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(circuit.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn forced_closed_it_ignores_answers_from_before() {
    let (mut service, circuit) = guarded(ratio(1));
    let mut early = Box::pin(service.ready().await.unwrap().call(Do::Fail));
    circuit.force_closed();
    assert!(poll!(&mut early).is_ready());
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);
    assert_eq!(circuit.snapshot().late, 1);
}

#[tokio::test(start_paused = true)]
async fn disabled_it_learns_nothing() {
    let (mut service, circuit) = guarded(ratio(1));
    circuit.disable();
    calls(&mut service, Do::Fail, 50).await;
    assert_eq!(circuit.state(), State::Disabled);
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 0);
    assert_eq!(circuit.snapshot().late, 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_no_news_to_a_disabled_circuit() {
    let layer = consecutive(1).build().unwrap();
    let circuit = layer.handle();
    circuit.disable();
    let mut service = tower::Layer::layer(&layer, crate::readiness::Broken);
    for _ in 0..3 {
        assert!(tower::ServiceExt::<()>::ready(&mut service).await.is_err());
    }
    assert_eq!(circuit.snapshot().late, 0);
    circuit.reset();
    assert_eq!(circuit.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn reset_forgets_failures_and_the_growth_of_the_open_time() {
    let (mut service, circuit) = guarded(consecutive(2));
    calls(&mut service, Do::Fail, 2).await;
    advance(secs(30)).await;
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(refusal(&mut service).await, Some(Some(secs(60))));

    circuit.reset();
    calls(&mut service, Do::Fail, 1).await;
    circuit.reset();
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(circuit.state(), State::Closed);
    calls(&mut service, Do::Fail, 1).await;
    assert_eq!(refusal(&mut service).await, Some(Some(secs(30))));
}

#[tokio::test(start_paused = true)]
async fn reset_forgets_successes_that_nobody_has_looked_at() {
    let (mut service, circuit) = guarded(ratio(1).count_window(some(10)));
    calls(&mut service, Do::Succeed, 10).await;
    circuit.reset();
    let snapshot = circuit.snapshot();
    assert_eq!(snapshot.time_window.unwrap().calls, 0);
    assert_eq!(snapshot.count_window.unwrap().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn in_shadow_it_refuses_nothing_and_counts_what_it_would_have_refused() {
    let (mut service, circuit) = guarded(consecutive(2).shadow());
    let mut transitions = circuit.watch();
    calls(&mut service, Do::Fail, 20).await;
    assert_eq!(circuit.state(), State::Open);
    let snapshot = circuit.snapshot();
    assert!(snapshot.shadow);
    assert_eq!(snapshot.refused, 18);
    assert_eq!(transitions.next().await.unwrap().to, State::Open);
    assert!(poll!(pin!(transitions.next())).is_pending(), "told once");

    advance(secs(30)).await;
    calls(&mut service, Do::Succeed, 1).await;
    assert_eq!(circuit.state(), State::Closed, "probes decide as ever");

    calls(&mut service, Do::Fail, 2).await;
    circuit.enforce();
    assert!(refusal(&mut service).await.is_some());
    circuit.shadow();
    assert!(refusal(&mut service).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_hand_can_be_held_after_the_service_is_gone() {
    let (service, circuit) = guarded(consecutive(1).name("ledger"));
    drop(service);
    circuit.force_open();
    assert_eq!(circuit.name(), "ledger");
    assert_eq!(circuit.state(), State::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn the_stream_tells_of_hands_too_and_only_of_changes() {
    let (service, circuit) = guarded(consecutive(1));
    let transitions = circuit.watch();
    circuit.reset();
    circuit.force_open();
    circuit.force_open();
    circuit.disable();
    drop((service, circuit));
    let told: Vec<_> = transitions
        .map(|transition| (transition.from, transition.to, transition.cause))
        .collect()
        .await;
    assert_eq!(
        told,
        [
            (State::Closed, State::ForcedOpen, Cause::Manual),
            (State::ForcedOpen, State::Disabled, Cause::Manual),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_loses_the_oldest_and_sees_that_it_did() {
    let (_service, circuit) = guarded(consecutive(1));
    let mut transitions = circuit.watch();
    for _ in 0..150 {
        circuit.force_open();
        circuit.reset();
    }
    let first = transitions.next().await.unwrap();
    assert_eq!(first.generation, 300 - 256 + 1);
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_snapshot_can_be_serialised() {
    let (mut service, circuit) = guarded(ratio(1).name("ledger").open_for(secs(10)));
    calls(&mut service, Do::Fail, 1).await;
    let snapshot = serde_json::to_value(circuit.snapshot()).unwrap();
    assert_eq!(snapshot["name"], "ledger");
    assert_eq!(snapshot["state"], "open");
    assert_eq!(snapshot["retry_after"]["secs"], 10);
    assert_eq!(snapshot["time_window"]["calls"], 0);
}
