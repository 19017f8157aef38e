//! `Cached`: round trips saved, and never at the price of a wrong answer.

mod common;

use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{Begin, BeginRequest, Fingerprint, IdempotencyStore, Settled, StoreErrorKind};
use buttress_store_memory::MemoryStore;
use buttress_store_wrappers::{Cached, Meter, Metered, Operation};
use common::{DAY, answer, claim, complete, request, secret_answer};
use tokio::time::advance;

fn store() -> (Cached<Metered<MemoryStore>>, Meter) {
    let store = Metered::new(MemoryStore::default(), "memory");
    let meter = store.meter().clone();
    (Cached::new(store), meter)
}

fn begins(meter: &Meter) -> u64 {
    meter.calls(Operation::Begin)
}

#[tokio::test(start_paused = true)]
async fn a_second_replay_costs_no_round_trip() {
    let (store, meter) = store();
    complete(&store, "k", &secret_answer(), DAY).await;
    assert_eq!(meter.round_trips(), 2);
    for _ in 0..10 {
        assert_eq!(answer(&store, "k").await.unwrap(), secret_answer());
    }
    assert_eq!(meter.round_trips(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_copy_leaves_with_its_record() {
    let (store, meter) = store();
    complete(&store, "k", &secret_answer(), DAY).await;
    advance(DAY / 2).await;
    assert!(answer(&store, "k").await.is_some());
    advance((DAY / 2).saturating_sub(Duration::from_millis(1))).await;
    let Begin::Completed { expires_in, .. } = store.begin(request("k")).await.unwrap() else {
        panic!("gone early");
    };
    assert_eq!(expires_in, Duration::from_millis(1));
    assert_eq!(begins(&meter), 2);

    advance(Duration::from_millis(1)).await;
    assert_eq!(claim(&store, "k").await.execution(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_fingerprint_is_a_mismatch_from_the_copy_too() {
    let (store, meter) = store();
    complete(&store, "k", &secret_answer(), DAY).await;
    answer(&store, "k").await;
    let known = begins(&meter);
    let other = |version, byte| {
        let mut bytes = [byte; Fingerprint::LEN];
        bytes[0] = version;
        BeginRequest {
            fingerprint: Fingerprint::from_bytes(bytes),
            ..request("k")
        }
    };
    let found = store.begin(other(1, 9)).await.unwrap();
    assert_eq!(found, Begin::Mismatch);
    assert_eq!(begins(&meter), known);

    // What the copy cannot judge goes to the store.
    let error = store.begin(other(2, 1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unsupported);
    assert_eq!(begins(&meter), known + 1);
}

#[tokio::test(start_paused = true)]
async fn claims_are_never_kept() {
    let (store, meter) = store();
    let claim = claim(&store, "k").await;
    assert!(answer(&store, "k").await.is_none());
    let settled = store.release(&claim).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let _claim = common::claim(&store, "k").await;
    assert_eq!(begins(&meter), 3);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_copy_leaves_when_there_are_too_many() {
    let (store, meter) = store();
    let store = store.max_records(NonZeroUsize::new(3).unwrap());
    for name in ["a", "b", "c", "d"] {
        complete(&store, name, &secret_answer(), DAY).await;
        answer(&store, name).await;
    }
    let before = begins(&meter);
    for name in ["b", "c", "d"] {
        answer(&store, name).await.unwrap();
    }
    assert_eq!(begins(&meter), before);
    answer(&store, "a").await.unwrap();
    assert_eq!(begins(&meter), before + 1);
}

#[tokio::test(start_paused = true)]
async fn copies_share_their_bytes_and_a_larger_one_is_not_kept() {
    let (store, meter) = store();
    let size = secret_answer().encoded().len();
    let store = store.max_bytes(size * 2);
    for name in ["a", "b", "c"] {
        complete(&store, name, &secret_answer(), DAY).await;
        answer(&store, name).await;
    }
    let before = begins(&meter);
    answer(&store, "b").await;
    answer(&store, "c").await;
    assert_eq!(begins(&meter), before);

    let none = store.max_bytes(size - 1);
    complete(&none, "large", &secret_answer(), DAY).await;
    let before = begins(&meter);
    answer(&none, "large").await;
    answer(&none, "large").await;
    assert_eq!(begins(&meter), before + 2);
}
