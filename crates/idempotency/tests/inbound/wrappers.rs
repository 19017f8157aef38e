//! Behind the wrappers of a store: scenario 42, and the round trips of each outcome.

use std::time::Duration;

use buttress_store_memory::MemoryStore;
use buttress_store_wrappers::{Cached, Encrypted, Keyring, Metered, Operation};

use crate::kit::{Flaky, Runs, inbound, poke, post, send, settle};

#[tokio::test]
async fn s42_encrypted_answers_are_replayed_and_no_plain_text_is_stored() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let encrypted = |id| Encrypted::new(store.clone(), Keyring::new(id, &[7; 32]).unwrap());
    let service = runs.numbered(&inbound(encrypted(1)).build().unwrap());
    send(&service, post("k", "order")).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 1");
    let stored = store.stored();
    assert!(stored.len() > 5 && !stored.windows(3).any(|part| part == b"run"));

    // With another key it is an error of the store, and never absent.
    let service = runs.numbered(&inbound(encrypted(2)).build().unwrap());
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(
        (seen.status, &*seen.problem()),
        (503, "idempotency-unavailable")
    );
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_execution_costs_two_round_trips_and_everything_else_one() {
    let store = Metered::new(MemoryStore::default(), "memory");
    let meter = store.meter().clone();
    let runs = Runs::default();
    let service = runs.slow(&inbound(store).build().unwrap(), Duration::from_secs(1));
    let mut first = Box::pin(send(&service, post("k", "order")));
    poke(&mut first).await;
    settle().await;
    assert_eq!(meter.round_trips(), 1);

    assert_eq!(send(&service, post("k", "order")).await.status, 409);
    assert_eq!(meter.round_trips(), 2);
    assert_eq!(send(&service, post("k", "another")).await.status, 422);
    assert_eq!(meter.round_trips(), 3);
    assert_eq!(first.await.status, 201);
    assert_eq!(meter.round_trips(), 4);
    assert!(send(&service, post("k", "order")).await.is_replay());
    assert_eq!(meter.round_trips(), 5);
    assert_eq!(meter.calls(Operation::Complete), 1);
}

#[tokio::test]
async fn a_replay_from_a_local_cache_costs_none() {
    let store = Metered::new(MemoryStore::default(), "memory");
    let meter = store.meter().clone();
    let runs = Runs::default();
    let service = runs.numbered(&inbound(Cached::new(store)).build().unwrap());
    send(&service, post("k", "order")).await;
    let before = meter.round_trips();
    // The first replay may fill the cache.
    send(&service, post("k", "order")).await;
    assert!(meter.round_trips() <= before + 1);
    let warm = meter.round_trips();
    assert!(send(&service, post("k", "order")).await.is_replay());
    assert_eq!(meter.round_trips(), warm);
}
