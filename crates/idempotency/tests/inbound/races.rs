//! Many requests with one key at once: scenarios 17 to 22.

use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store_memory::MemoryStore;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::kit::{Flaky, Mode, Runs, Seen, Service, inbound, poke, post, send, settle};

const MS: Duration = Duration::from_millis(1);

/// All answers to `count` requests at once, spread over the services.
async fn storm(services: &[Service], count: usize) -> Vec<Seen> {
    let tasks = (0..count).map(|n| {
        let service = services[n % services.len()].clone();
        tokio::spawn(async move { send(&service, post("k", "order")).await })
    });
    let seen = join_all(tasks).await;
    seen.into_iter().map(Result::unwrap).collect()
}

fn assert_one_execution(runs: &Runs, seen: &[Seen]) {
    assert_eq!(runs.count(), 1);
    let fresh = seen
        .iter()
        .filter(|seen| seen.status == 201 && !seen.is_replay());
    assert_eq!(fresh.count(), 1);
    for seen in seen {
        match seen.status {
            201 => assert_eq!(seen.text(), "run 1"),
            409 => {
                assert_eq!(seen.problem(), "idempotency-key-in-flight");
                assert_eq!(seen.headers["retry-after"], "1");
            }
            status => panic!("{status}: {}", seen.text()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s17_of_simultaneous_requests_one_is_executed_and_the_others_are_told_to_wait() {
    for count in [2, 50, 1000] {
        let runs = Runs::default();
        let layer = inbound(MemoryStore::default()).build().unwrap();
        let service = runs.slow(&layer, 20 * MS);
        let seen = storm(&[service], count).await;
        assert_one_execution(&runs, &seen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s18_also_through_several_handles_on_one_backend() {
    let runs = Runs::default();
    let store = MemoryStore::default();
    // A layer of its own each, as processes have.
    let services: Vec<_> = (0..4)
        .map(|_| runs.slow(&inbound(store.clone()).build().unwrap(), 20 * MS))
        .collect();
    let seen = storm(&services, 1000).await;
    assert_one_execution(&runs, &seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_simultaneous_requests_that_may_wait_all_get_the_one_answer() {
    let runs = Runs::default();
    let many = NonZeroUsize::new(1000).unwrap();
    let layer = inbound(MemoryStore::default())
        .wait(Duration::from_secs(30))
        .max_waiters(many);
    let service = runs.slow(&layer.build().unwrap(), 20 * MS);
    let seen = storm(&[service], 1000).await;
    assert_eq!(runs.count(), 1);
    assert!(
        seen.iter()
            .all(|seen| seen.status == 201 && seen.text() == "run 1")
    );
}

#[tokio::test(start_paused = true)]
async fn s19_waiters_are_woken_at_the_owners_end_without_polling() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).wait(Duration::from_secs(10)).build();
    let service = runs.slow(&layer.unwrap(), 200 * MS);
    let start = Instant::now();
    let seen = join_all((0..10).map(|_| send(&service, post("k", "order")))).await;
    assert_eq!(start.elapsed(), 200 * MS);
    assert_eq!(seen.iter().filter(|seen| seen.is_replay()).count(), 9);
    assert_eq!(runs.count(), 1);
    // Each waiter looks twice and waits once.
    let [begins, .., waits] = store.calls();
    assert_eq!((begins, waits), (1 + 2 * 9, 9));
}

#[tokio::test(start_paused = true)]
async fn s19_a_store_that_cannot_wait_is_asked_again_after_a_pause() {
    let (store, runs) = (Flaky::default(), Runs::default());
    store.wait_is(Mode::Down);
    let layer = inbound(store.clone()).wait(Duration::from_secs(10)).build();
    let service = runs.slow(&layer.unwrap(), 2000 * MS);
    let both = (0..2).map(|_| send(&service, post("k", "order")));
    let seen = join_all(both).await;
    assert!(seen.iter().all(|seen| seen.text() == "run 1"));
    // One look each half second, and no storm of them.
    assert_eq!(store.calls()[0], 1 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_end_is_a_setting_like_any_other() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .wait(Duration::MAX)
        .lease(Duration::MAX)
        .max_hold(Duration::MAX)
        .store_timeout(Duration::MAX)
        .record_within(Duration::MAX)
        .retention(Duration::MAX);
    let service = runs.slow(&layer.build().unwrap(), 100 * MS);
    let both = (0..2).map(|_| send(&service, post("k", "order")));
    let seen = join_all(both).await;
    assert!(seen.iter().all(|seen| seen.text() == "run 1"));
}

#[tokio::test(start_paused = true)]
async fn s20_a_waiter_whose_time_is_up_leaves_and_the_owner_still_completes() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default()).wait(100 * MS).build();
    let service = runs.slow(&layer.unwrap(), 1000 * MS);
    let mut owner = Box::pin(send(&service, post("k", "order")));
    poke(&mut owner).await;
    settle().await;

    let start = Instant::now();
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(seen.status, 409);
    assert_eq!(seen.headers["retry-after"], "1");
    assert_eq!(start.elapsed(), 100 * MS);

    assert_eq!(owner.await.text(), "run 1");
    assert!(send(&service, post("k", "order")).await.is_replay());
}

#[tokio::test(start_paused = true)]
async fn s21_when_the_owner_frees_the_key_exactly_one_waiter_becomes_the_owner() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default()).wait(Duration::from_secs(10));
    let service = runs.service(&layer.build().unwrap(), |run, request| async move {
        tokio::time::sleep(100 * MS).await;
        if run == 1 {
            let execution = request
                .extensions()
                .get::<buttress_idempotency::Execution>();
            execution.unwrap().nothing_done();
        }
        crate::kit::created(run)
    });
    let seen = join_all((0..8).map(|_| send(&service, post("k", "order")))).await;
    assert_eq!(runs.count(), 2);
    let text = |n| seen.iter().filter(move |seen| seen.text() == n);
    assert_eq!((text("run 1").count(), text("run 2").count()), (1, 7));
    assert_eq!(text("run 2").filter(|seen| seen.is_replay()).count(), 6);
}

#[tokio::test(start_paused = true)]
async fn s22_a_waiter_that_hangs_up_leaves_no_trace() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .wait(Duration::from_secs(10))
        .max_waiters(NonZeroUsize::MIN);
    let service = runs.slow(&layer.build().unwrap(), 500 * MS);
    let mut owner = Box::pin(send(&service, post("k", "order")));
    poke(&mut owner).await;
    settle().await;

    // The one place is taken, and free again with its waiter.
    for _ in 0..3 {
        let mut waiter = Box::pin(send(&service, post("k", "order")));
        for _ in 0..4 {
            poke(&mut waiter).await;
            settle().await;
        }
        assert_eq!(send(&service, post("k", "order")).await.status, 409);
    }
    let waiter = send(&service, post("k", "order"));
    let (owner, waiter) = futures_util::future::join(owner, waiter).await;
    assert_eq!((owner.text(), waiter.text()), ("run 1", "run 1"));
    assert_eq!(runs.count(), 1);
}
