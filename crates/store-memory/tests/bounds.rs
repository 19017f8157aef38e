//! What happens when a `MemoryStore` is full.

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoreErrorKind, StoredResponse, Token,
};
use buttress_store_memory::{Full, MemoryStore};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task};

const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn store(records: usize) -> MemoryStore {
    MemoryStore::builder()
        .max_records(NonZeroUsize::new(records).unwrap())
        .build()
}

fn request(key: u32) -> BeginRequest {
    BeginRequest {
        key: RecordKey::derive(&[&key.to_be_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: LEASE,
        retention: DAY,
        orphan: OrphanPolicy::ReExecute,
    }
}

async fn claim(store: &MemoryStore, request: BeginRequest) -> Claim {
    match store.begin(request).await.unwrap() {
        Begin::Acquired(claim) => claim,
        other => panic!("{other:?}"),
    }
}

async fn complete(store: &MemoryStore, key: u32, body: &[u8]) {
    let claim = claim(store, request(key)).await;
    let answer = StoredResponse::new(StatusCode::OK, &HeaderMap::new(), body);
    let settled = store.complete(&claim, &answer, DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
}

async fn is_completed(store: &MemoryStore, key: u32) -> bool {
    matches!(store.begin(request(key)).await, Ok(Begin::Completed { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_store_full_of_live_claims_refuses_and_forgets_none() {
    let store = store(100);
    let mut claims = Vec::new();
    for key in 0..100 {
        claims.push(claim(&store, request(key)).await);
    }
    let error = store.begin(request(100)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let full = error.source().unwrap().downcast_ref::<Full>().unwrap();
    assert_eq!(full.max_records(), 100);
    assert_eq!(full.to_string(), "all 100 records are claims in force");

    for claim in &claims {
        assert_eq!(store.renew(claim, LEASE).await.unwrap(), Settled::Applied);
    }
    assert_eq!(store.usage().evicted, 0);

    // A settled claim makes room at once.
    assert_eq!(store.release(&claims[0]).await.unwrap(), Settled::Applied);
    let _claim = claim(&store, request(100)).await;
}

#[tokio::test(start_paused = true)]
async fn unknown_outcomes_are_never_given_up() {
    let store = store(2);
    for key in 0..2 {
        let refusing = BeginRequest {
            orphan: OrphanPolicy::Refuse,
            ..request(key)
        };
        let _lost = claim(&store, refusing).await;
    }
    advance(DAY * 30).await;
    let error = store.begin(request(2)).await.unwrap_err();
    assert!(error.source().unwrap().is::<Full>());
    let found = store.unknowns(None, NonZeroUsize::MAX).await.unwrap();
    assert_eq!(found.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_claim_makes_room_by_the_answer_that_expires_first_and_it_is_counted() {
    let store = store(3);
    complete(&store, 0, b"first").await;
    advance(LEASE).await;
    complete(&store, 1, b"second").await;
    let live = claim(&store, request(2)).await;

    let _claim = claim(&store, request(3)).await;
    assert_eq!(store.usage().evicted, 1);
    assert_eq!(store.usage().records, 3);
    assert!(is_completed(&store, 1).await);
    assert_eq!(store.renew(&live, LEASE).await.unwrap(), Settled::Applied);
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_goes_first_and_is_not_counted() {
    let store = store(3);
    complete(&store, 0, b"old").await;
    advance(DAY).await;
    complete(&store, 1, b"new").await;
    complete(&store, 2, b"new").await;
    let _claim = claim(&store, request(3)).await;
    assert_eq!(store.usage().evicted, 0);
    assert!(is_completed(&store, 1).await && is_completed(&store, 2).await);
}

#[tokio::test(start_paused = true)]
async fn answers_share_their_bytes_and_the_oldest_go() {
    let store = MemoryStore::builder().max_bytes(10_000).build();
    for key in 0..20 {
        complete(&store, key, &[b'x'; 1000]).await;
        advance(Duration::from_secs(1)).await;
        assert!(store.usage().bytes <= 10_000);
    }
    assert!(is_completed(&store, 19).await);
    assert_eq!(store.usage().evicted, 11);
}

#[tokio::test(start_paused = true)]
async fn an_answer_larger_than_all_the_room_keeps_its_key_completed() {
    let store = MemoryStore::builder().max_bytes(0).build();
    for (key, header) in [(0, 10), (1, 2000)] {
        let claim = claim(&store, request(key)).await;
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(&vec![b'x'; header]).unwrap();
        headers.insert("x-long", value);
        let answer = StoredResponse::new(StatusCode::CREATED, &headers, &[b'x'; 5000]);
        let settled = store.complete(&claim, &answer, DAY).await.unwrap();
        assert_eq!(settled, Settled::Applied);
        let Begin::Completed { response, .. } = store.begin(request(key)).await.unwrap() else {
            panic!("open again");
        };
        assert!(response.is_body_dropped());
        let response = response.to_response().unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers().len(), usize::from(header == 10));
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happened_an_empty_store_uses_nothing() {
    let store = MemoryStore::builder()
        .max_records(NonZeroUsize::new(40).unwrap())
        .max_bytes(2000)
        .build();
    let mut dice = 7_u32;
    let mut claims: Vec<Claim> = Vec::new();
    for _ in 0..5000 {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let pick = dice >> 16;
        let body = vec![b'x'; (pick % 400) as usize];
        let answer = StoredResponse::new(StatusCode::OK, &HeaderMap::new(), &body);
        match pick % 7 {
            0..3 => {
                if let Ok(Begin::Acquired(claim)) = store.begin(request(pick % 60)).await {
                    claims.push(claim);
                }
            }
            3..5 if !claims.is_empty() => {
                let claim = claims.swap_remove(pick as usize % claims.len());
                let _ = store.complete(&claim, &answer, DAY).await.unwrap();
            }
            5 if !claims.is_empty() => {
                let claim = claims.swap_remove(pick as usize % claims.len());
                let _ = store.release(&claim).await.unwrap();
            }
            _ => advance(Duration::from_secs(u64::from(pick % 40))).await,
        }
        let usage = store.usage();
        assert!(usage.records <= 40 && usage.bytes <= 2000, "{usage:?}");
    }
    assert!(store.usage().evicted > 100, "the store was never full");
    advance(DAY * 2).await;
    store.purge(NonZeroUsize::MAX).await.unwrap();
    assert_eq!((store.usage().records, store.usage().bytes), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn expired_records_leave_without_being_purged() {
    let store = MemoryStore::default();
    for key in 0..200 {
        complete(&store, key, b"old").await;
    }
    advance(DAY).await;
    for key in 1000..3000 {
        let claim = claim(&store, request(key)).await;
        assert_eq!(store.release(&claim).await.unwrap(), Settled::Applied);
    }
    assert_eq!(store.usage().records, 0);
}

#[tokio::test(start_paused = true)]
async fn waiters_sleep_until_they_are_woken() {
    let store = MemoryStore::default();
    let owner = claim(&store, request(0)).await;
    let mut wait = task::spawn(store.wait(owner.key(), LEASE));
    assert_pending!(wait.poll());
    assert!(!wait.is_woken());

    // Neither time nor another key's end wakes it.
    advance(LEASE / 2).await;
    complete(&store, 1, b"other").await;
    assert!(!wait.is_woken());

    let settled = store.release(&owner).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    assert!(wait.is_woken());
    assert_ready_ok!(wait.poll());
}

#[tokio::test(start_paused = true)]
async fn a_settlement_before_the_first_poll_is_not_slept_through() {
    let store = MemoryStore::default();
    let owner = claim(&store, request(0)).await;
    let mut wait = task::spawn(store.wait(owner.key(), LEASE));
    let settled = store.release(&owner).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    assert_ready_ok!(wait.poll());
}

#[tokio::test]
async fn clones_share_their_records() {
    let store = MemoryStore::default();
    complete(&store, 0, b"paid").await;
    assert!(is_completed(&store.clone(), 0).await);
}
