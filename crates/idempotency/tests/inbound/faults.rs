//! A store that fails: scenarios 36 to 38 and 42.

use std::time::Duration;

use buttress_idempotency::Execution;
use tokio::time::Instant;

use crate::kit::{Flaky, Mode, Runs, created, inbound, post, send, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn s36_while_the_store_is_down_nothing_is_executed() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&inbound(store.clone()).build().unwrap());
    for mode in [Mode::Down, Mode::Corrupt] {
        store.begin_is(mode);
        let seen = send(&service, post("k", "order")).await;
        assert_eq!(
            (seen.status, &*seen.problem()),
            (503, "idempotency-unavailable")
        );
        assert_eq!(seen.headers["retry-after"], "5");
    }
    assert_eq!(runs.count(), 0);
    store.begin_is(Mode::Up);
    assert_eq!(send(&service, post("k", "order")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn s36_failing_open_executes_unprotected_and_says_so() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).fail_open().build().unwrap();
    let service = runs.service(&layer, |run, request| async move {
        let execution = request.extensions().get::<Execution>().unwrap();
        assert_eq!(execution.key().unwrap().as_str(), "k");
        created(run)
    });
    for mode in [Mode::Down, Mode::Hang] {
        store.begin_is(mode);
        let seen = send(&service, post("k", "order")).await;
        assert_eq!(seen.status, 201);
        assert_eq!(seen.headers["idempotency-status"], "unprotected");
    }
    assert_eq!(runs.count(), 2);
    // A record that is there and cannot be read may say that it was executed.
    store.begin_is(Mode::Corrupt);
    assert_eq!(send(&service, post("k", "order")).await.status, 503);
    assert_eq!(runs.count(), 2);

    store.begin_is(Mode::Up);
    let seen = send(&service, post("k", "order")).await;
    assert!(!seen.has("idempotency-status"));
}

#[tokio::test(start_paused = true)]
async fn s37_an_answer_that_cannot_be_recorded_is_sent_after_two_seconds() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let service = runs.numbered(&layer);
    store.complete_is(Mode::Down);
    let start = Instant::now();
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 1");
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(layer.executions().running(), 1);
    assert_eq!(send(&service, post("k", "order")).await.status, 409);

    // Recorded past the end of the first lease all the same.
    tokio::time::sleep(120 * SECOND).await;
    assert_eq!(send(&service, post("k", "order")).await.status, 409);
    store.complete_is(Mode::Up);
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(layer.executions().running(), 0);
    let again = send(&service, post("k", "order")).await;
    assert!(again.is_replay());
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn s37_with_renewal_down_too_it_is_recorded_past_the_lease_if_nobody_took_over() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let service = runs.numbered(&layer);
    store.complete_is(Mode::Hang);
    store.renew_is(Mode::Down);
    send(&service, post("k", "order")).await;
    tokio::time::sleep(100 * SECOND).await;
    store.complete_is(Mode::Up);
    tokio::time::sleep(10 * SECOND).await;
    assert!(send(&service, post("k", "order")).await.is_replay());
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn s37_a_completion_whose_answer_was_lost_counts() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let service = runs.numbered(&layer);
    store.complete_is(Mode::Deaf);
    let call = send(&service, post("k", "order"));
    let heal = async {
        tokio::time::sleep(SECOND / 20).await;
        store.complete_is(Mode::Up);
    };
    let start = Instant::now();
    let (seen, ()) = futures_util::future::join(call, heal).await;
    assert_eq!(seen.status, 201);
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    assert_eq!(layer.executions().running(), 0);
}

#[tokio::test(start_paused = true)]
async fn s37_recording_is_given_up_after_the_longest_execution() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    store.complete_is(Mode::Down);
    send(&runs.numbered(&layer), post("k", "order")).await;
    tokio::time::sleep(600 * SECOND).await;
    assert_eq!(layer.executions().running(), 0);
}

#[tokio::test(start_paused = true)]
async fn s38_a_store_that_hangs_is_given_up_at_its_limit() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let service = runs.numbered(&layer);
    store.begin_is(Mode::Hang);
    let start = Instant::now();
    assert_eq!(send(&service, post("k", "order")).await.status, 503);
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(runs.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_begin_whose_answer_was_lost_is_repeated_and_finds_its_own_claim() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&inbound(store.clone()).build().unwrap());
    store.begin_is(Mode::Deaf);
    let call = send(&service, post("k", "order"));
    let heal = async {
        tokio::time::sleep(SECOND).await;
        store.begin_is(Mode::Up);
    };
    let (seen, ()) = futures_util::future::join(call, heal).await;
    assert_eq!(seen.text(), "run 1");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_may_have_been_taken_unheard_is_given_back() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&inbound(store.clone()).build().unwrap());
    store.begin_is(Mode::Deaf);
    assert_eq!(send(&service, post("k", "order")).await.status, 503);
    store.begin_is(Mode::Up);
    settle().await;
    // Else the key would be blocked for a lease by nobody.
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 1");
}

#[tokio::test]
async fn s42_a_record_that_only_its_wrapper_can_read_is_an_error_and_never_absent() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&inbound(store.clone()).build().unwrap());
    store.complete_is(Mode::Sealed);
    assert_eq!(send(&service, post("k", "order")).await.status, 201);
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(
        (seen.status, &*seen.problem()),
        (503, "idempotency-unavailable")
    );
    assert_eq!(runs.count(), 1);
}
