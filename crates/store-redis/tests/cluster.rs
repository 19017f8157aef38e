//! Three nodes share the records, and slots move between them under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, IdempotencyStore, OrphanPolicy, RecordKey, Settled, StoreErrorKind, Token,
};
use buttress_store_redis::{RedisStore, Unfit};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::cluster::Cluster;
use crate::support::requests::{DAY, answer, claim, found, request};

mod support;

/// All records of this prefix are in one slot.
const PREFIX: &str = "{move}:";

fn errors(node: &support::Server, code: &str) -> u64 {
    let stats = node.cli(&["INFO", "errorstats"]);
    let line = format!("errorstat_{code}:count=");
    let count = stats.lines().find_map(|found| found.strip_prefix(&line));
    count.map_or(0, |count| count.trim().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_under_load_keeps_every_claim_and_every_answer() {
    let cluster = Cluster::start().await;
    let patient = cluster.store().response_limit(Duration::from_secs(20));
    let store = patient.prefix(PREFIX).connect().await.unwrap();
    let slot = cluster.slot_of("{move}");
    let from = Cluster::owner_of(slot);
    let to = (from + 1) % 3;

    let stop = Arc::new(AtomicBool::new(false));
    let (cycles, repeats) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for caller in 0..8 {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        let (cycles, repeats) = (Arc::clone(&cycles), Arc::clone(&repeats));
        tasks.spawn(async move {
            let mut done = Vec::new();
            for step in 0.. {
                if stop.load(SeqCst) {
                    break;
                }
                let name = format!("{caller}:{step}");
                let begun = request(&name);
                let held = loop {
                    match store.begin(begun).await {
                        Ok(Begin::Acquired(held)) => break held,
                        Ok(other) => panic!("{name}: {other:?}"),
                        Err(error) => again(&error, &repeats),
                    }
                };
                assert_eq!(held.execution(), 1);
                // Another one finds it, wherever it is now.
                loop {
                    match store.begin(request(&name)).await {
                        Ok(Begin::InProgress { .. }) => break,
                        Ok(other) => panic!("{name}: {other:?}"),
                        Err(error) => again(&error, &repeats),
                    }
                }
                loop {
                    match store.complete(&held, &answer(&name), DAY).await {
                        Ok(Settled::Lost) => panic!("{name} lost"),
                        Ok(_) => break,
                        Err(error) => again(&error, &repeats),
                    }
                }
                cycles.fetch_add(1, SeqCst);
                done.push(name);
            }
            done
        });
    }

    let mut moved = 0;
    for (from, to) in [(from, to), (to, from)] {
        sleep(Duration::from_millis(200)).await;
        cluster.open(slot, from, to);
        sleep(Duration::from_millis(100)).await;
        for _ in 0..2 {
            moved += cluster.move_keys(slot, from, to);
        }
        sleep(Duration::from_millis(100)).await;
        // New claims go to the new node at once; the old ones have all followed now.
        while cluster.move_keys(slot, from, to) > 0 {}
        cluster.close(slot, to).await;
    }
    sleep(Duration::from_millis(200)).await;
    stop.store(true, SeqCst);
    let done: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    for name in &done {
        assert_eq!(found(&store, name).await, answer(name));
    }
    let asked: u64 = cluster.nodes.iter().map(|node| errors(node, "ASK")).sum();
    let sent_on: u64 = cluster.nodes.iter().map(|node| errors(node, "MOVED")).sum();
    println!(
        "{} cycles while a slot moved twice with {moved} records: {asked} ASK, {sent_on} MOVED, {} repeated",
        cycles.load(SeqCst),
        repeats.load(SeqCst),
    );
    assert!(done.len() > 50, "{}", done.len());
    assert!(moved > 10 && asked > 0 && sent_on > 0);
    assert_eq!(
        repeats.load(SeqCst),
        0,
        "a move is not the caller's business"
    );
}

fn again(error: &buttress_store::StoreError, repeats: &AtomicUsize) {
    assert_eq!(error.kind(), StoreErrorKind::Indeterminate, "{error:?}");
    repeats.fetch_add(1, SeqCst);
}

#[tokio::test]
async fn a_node_that_is_gone_is_an_error_for_its_own_keys_alone() {
    let mut cluster = Cluster::start().await;
    let store = cluster
        .store()
        .response_limit(Duration::from_millis(500))
        .connect()
        .await
        .unwrap();
    let refused = RedisStore::connect(cluster.nodes[0].url()).await;
    let source = std::error::Error::source(refused.as_ref().unwrap_err()).unwrap();
    assert_eq!(source.downcast_ref(), Some(&Unfit::Cluster));

    let mut held = Vec::new();
    for n in 0..30 {
        held.push(claim(&store, request(&n.to_string())).await);
    }
    for node in &cluster.nodes {
        // Half the cluster goes on where one of its nodes is gone.
        node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    cluster.nodes[0].kill();
    let (mut kept, mut unknown) = (0, 0);
    for held in &held {
        match store.complete(held, &answer("a"), DAY).await {
            Ok(settled) => {
                assert_eq!(settled, Settled::Applied);
                kept += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Indeterminate);
                unknown += 1;
            }
        }
    }
    println!("{kept} answers kept, {unknown} not, with one node of three gone");
    assert!(kept > 0 && unknown > 0);
}

#[tokio::test]
async fn unknowns_of_every_node_are_listed_in_one_order() {
    let cluster = Cluster::start().await;
    let store = cluster.store().connect().await.unwrap();
    let mut keys: Vec<RecordKey> = Vec::new();
    for n in 0..40 {
        let begun = BeginRequest {
            lease: Duration::from_millis(1),
            orphan: OrphanPolicy::Refuse,
            token: Token::random().unwrap(),
            ..request(&n.to_string())
        };
        keys.push(*claim(&store, begun).await.key());
    }
    keys.sort_unstable();
    sleep(Duration::from_millis(20)).await;
    let mut listed = Vec::new();
    while listed.len() < keys.len() {
        let page = store.unknowns(listed.last(), 7.try_into().unwrap());
        let page = page.await.unwrap();
        assert!(!page.is_empty());
        listed.extend(page.iter().map(|unknown| *unknown.key()));
    }
    assert_eq!(listed, keys);
}
