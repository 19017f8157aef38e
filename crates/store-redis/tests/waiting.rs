//! Those who wait are told across processes, and poll where nobody listens.

use std::time::Duration;

use buttress_store::{IdempotencyStore, Settled};
use buttress_store_redis::RedisStore;
use tokio::time::Instant;

use crate::support::requests::{DAY, LONG, answer, claim, request};
use crate::support::{Server, until};

mod support;

/// Far less than a poll of those who are told.
const SOON: Duration = Duration::from_millis(250);

async fn connect(server: &Server) -> RedisStore {
    RedisStore::connect(server.url()).await.unwrap()
}

async fn listening(server: &Server) -> RedisStore {
    let store = connect(server).await;
    tokio::spawn(store.listener().run());
    until(|| store.capabilities().wakes, "the listener listens").await;
    store
}

/// How long after the settlement a wait ended.
async fn settle_and_wait(owner: &RedisStore, waiter: &RedisStore, name: &str) -> Duration {
    let held = claim(owner, request(name)).await;
    let waiting = {
        let (waiter, key) = (waiter.clone(), *held.key());
        tokio::spawn(async move {
            waiter.wait(&key, LONG).await.unwrap();
            Instant::now()
        })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let settled = owner.complete(&held, &answer(name), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    let settled = Instant::now();
    waiting.await.unwrap().saturating_duration_since(settled)
}

#[tokio::test]
async fn a_settlement_wakes_those_who_wait_in_another_process_and_nobody_else_pays() {
    let server = Server::start().await;
    let (owner, waiter) = (connect(&server).await, listening(&server).await);
    assert!(!owner.capabilities().wakes);

    // Nobody waits, nothing is told.
    for n in 0..10 {
        let held = claim(&owner, request(&n.to_string())).await;
        let settled = owner.complete(&held, &answer("done"), DAY).await.unwrap();
        assert_eq!(settled, Settled::Applied);
    }
    assert_eq!(server.calls("publish"), 0);

    let late = settle_and_wait(&owner, &waiter, "k").await;
    assert!(late < SOON, "{late:?}");
    assert_eq!(server.calls("publish"), 1);
}

#[tokio::test]
async fn without_a_listener_they_poll() {
    let server = Server::start().await;
    let store = connect(&server).await;
    assert!(!store.capabilities().wakes);
    let late = settle_and_wait(&store, &store, "k").await;
    assert!(late < Duration::from_secs(2), "{late:?}");
    assert_eq!(server.calls("publish"), 0);
}

#[tokio::test]
async fn a_listener_whose_connection_is_cut_listens_again_and_nobody_sleeps_through_it() {
    let server = Server::start().await;
    let (owner, waiter) = (connect(&server).await, listening(&server).await);
    for n in 0..3 {
        let held = claim(&owner, request(&format!("cut {n}"))).await;
        let begun = Instant::now();
        let (done, ()) = tokio::join!(waiter.wait(held.key(), LONG), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            let settled = owner.complete(&held, &answer("done"), DAY).await.unwrap();
            assert_eq!(settled, Settled::Applied);
        });
        done.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10));
        until(|| waiter.capabilities().wakes, "the listener is back").await;
    }
    let late = settle_and_wait(&owner, &waiter, "after").await;
    assert!(late < SOON, "{late:?}");
}

#[tokio::test]
async fn a_listener_ends_with_its_store() {
    let server = Server::start().await;
    let store = connect(&server).await;
    let listener = tokio::spawn(store.listener().run());
    until(|| store.capabilities().wakes, "the listener listens").await;
    drop(store);
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    tokio::time::timeout(Duration::from_secs(10), listener)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_wait_for_a_silent_server_ends_at_its_limit() {
    let server = Server::start().await;
    let store = connect(&server).await;
    let held = claim(&store, request("k")).await;
    server.signal("-STOP");
    let begun = Instant::now();
    store.wait(held.key(), SOON).await.unwrap();
    assert!(begun.elapsed() < SOON * 4);
    server.signal("-CONT");
}
