//! What a record looks like on the server, how long it is there, and what each call costs.

use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Resolution,
    Settled, StoreErrorKind, StoredResponse, Token,
};
use buttress_store_redis::RedisStore;
use buttress_store_wrappers::Cached;
use http::{HeaderMap, StatusCode};
use redis::AsyncCommands;

use crate::support::requests::{DAY, answer, claim, found, request};
use crate::support::{RoundTrips, Server};

mod support;

const NAME: &str = "buttress:idempotency:\
    014242424242424242424242424242424242424242424242424242424242424242";

fn golden() -> BeginRequest {
    let mut key = [0x42; RecordKey::LEN];
    key[0] = 1;
    BeginRequest {
        key: RecordKey::from_bytes(key),
        fingerprint: Fingerprint::from_bytes([0xf1; Fingerprint::LEN]),
        token: Token::from_bytes([0x70; Token::LEN]),
        lease: Duration::from_secs(60),
        retention: DAY,
        orphan: OrphanPolicy::Refuse,
    }
}

/// 201, `location: /1`, `paid`.
fn paid() -> StoredResponse {
    let mut headers = HeaderMap::new();
    headers.insert("location", "/1".parse().unwrap());
    StoredResponse::new(StatusCode::CREATED, &headers, b"paid")
}

/// Between the flags and the end of the lease.
fn identity() -> Vec<u8> {
    [[0xf1; 33].as_slice(), &[0x70; 16], &[0, 0, 0, 1]].concat()
}

#[tokio::test]
async fn a_claim_and_an_answer_look_as_they_always_have() {
    let server = Server::start().await;
    let (store, mut raw) = (
        RedisStore::connect(server.url()).await.unwrap(),
        server.connection().await,
    );
    let held = claim(&store, golden()).await;
    let record: Vec<u8> = raw.get(NAME).await.unwrap();
    assert_eq!(record.len(), 73);
    assert_eq!(record[..4], [1, 0, 1, 0]);
    assert_eq!(record[4..57], identity());
    // Microseconds on the server's clock, and a day.
    let (seconds, _): (u64, u64) = redis::cmd("TIME").query_async(&mut raw).await.unwrap();
    let lease_end = u64::from_be_bytes(record[57..65].try_into().unwrap());
    assert!((seconds..=seconds + 61).contains(&(lease_end / 1_000_000)));
    assert_eq!(record[65..], 86_400_000_000_u64.to_be_bytes());
    // Under `Refuse` it is there until somebody settles it.
    assert_eq!(server.cli(&["PTTL", NAME]), "-1");

    let settled = store.complete(&held, &paid(), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    let record: Vec<u8> = raw.get(NAME).await.unwrap();
    assert_eq!(record[..4], [1, 1, 0, 0]);
    assert_eq!(record[4..57], identity());
    assert_eq!(record[57..73], [0; 16]);
    assert_eq!(
        &record[73..],
        b"\x02\x00\x00\xc9\x01\x08location\x02/1\x04paid"
    );
    let left: u64 = server.cli(&["PTTL", NAME]).parse().unwrap();
    assert!((86_390_000..=86_400_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_claim_that_may_be_executed_again_is_told_by_its_time_to_live() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let mortal = BeginRequest {
        orphan: OrphanPolicy::ReExecute,
        ..golden()
    };
    let claimed = [&[1, 0, 0, 0], identity().as_slice(), &[0; 8]].concat();
    let claimed = [claimed.as_slice(), &86_400_000_000_u64.to_be_bytes()].concat();
    let mut raw = server.connection().await;
    let held = claim(&store, mortal).await;
    // The repeat of a begin whose answer was lost goes by script, and leaves the same.
    for _ in 0..2 {
        let record: Vec<u8> = raw.get(NAME).await.unwrap();
        assert_eq!(record, claimed);
        let left: u64 = server.cli(&["PTTL", NAME]).parse().unwrap();
        assert!((86_450_000..=86_460_000).contains(&left), "{left}");
        assert_eq!(claim(&store, mortal).await, held);
    }
    let renewed = store.renew(&held, Duration::from_secs(600)).await.unwrap();
    assert_eq!(renewed, Settled::Applied);
    let record: Vec<u8> = raw.get(NAME).await.unwrap();
    assert_eq!(record, claimed);
    let other = BeginRequest {
        token: Token::random().unwrap(),
        ..mortal
    };
    let Begin::InProgress { retry_after } = store.begin(other).await.unwrap() else {
        panic!("free");
    };
    let renewed = Duration::from_secs(590)..=Duration::from_secs(600);
    assert!(renewed.contains(&retry_after), "{retry_after:?}");

    // Without it nobody knows whether its owner is at work.
    let () = raw.persist(NAME).await.unwrap();
    let error = store.begin(other).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    let error = store.wait(held.key(), DAY).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    let adopted = store.adopt(held.key(), &Resolution::NotExecuted).await;
    assert_eq!(adopted.unwrap_err().kind(), StoreErrorKind::Corrupt);
    // It is still its owner's to settle.
    let settled = store.complete(&held, &paid(), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
}

#[tokio::test]
async fn records_of_version_1_are_read() {
    let server = Server::start().await;
    let (store, mut raw) = (
        RedisStore::connect(server.url()).await.unwrap(),
        server.connection().await,
    );
    let far = 4_102_444_800_000_000_u64.to_be_bytes();
    let claimed = [&[1, 0, 0, 0], identity().as_slice(), &far, &[0; 8]].concat();
    let () = raw.set(NAME, &claimed).await.unwrap();
    assert_eq!(claim(&store, golden()).await.execution(), 1);
    let () = raw.set(NAME, &claimed).await.unwrap();
    let other = BeginRequest {
        token: Token::random().unwrap(),
        ..golden()
    };
    assert!(matches!(
        store.begin(other).await,
        Ok(Begin::InProgress { .. })
    ));

    let head = [&[1, 1, 0, 0], identity().as_slice(), &[0; 16]].concat();
    let completed = [&head, paid().encoded().as_ref()].concat();
    let () = raw.set(NAME, completed).await.unwrap();
    let begun = store.begin(other).await.unwrap();
    assert!(matches!(begun, Begin::Completed { response, .. } if response == paid()));
}

#[tokio::test]
async fn the_server_throws_away_what_has_expired_and_nothing_else() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let short = BeginRequest {
        lease: Duration::from_millis(50),
        retention: Duration::from_millis(50),
        ..request("short")
    };
    let strict = BeginRequest {
        orphan: OrphanPolicy::Refuse,
        key: request("strict").key,
        ..short
    };
    let answered = claim(&store, request("answered")).await;
    let kept = Duration::from_millis(50);
    let settled = store.complete(&answered, &answer("a"), kept).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    for begun in [short, strict] {
        let _held = claim(&store, begun).await;
    }
    let _long = claim(&store, request("long")).await;
    server.wait_until(&["DBSIZE"], "2").await;
    assert_eq!(store.purge(10.try_into().unwrap()).await.unwrap(), 0);
    let unknowns = store.unknowns(None, 10.try_into().unwrap()).await.unwrap();
    assert_eq!(unknowns.len(), 1);
    assert_eq!(*unknowns[0].key(), strict.key);
}

#[tokio::test]
async fn a_first_execution_takes_two_round_trips_and_everything_else_one() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    // From here on the server knows the scripts, and counts how often it was sent something: in one
    // go, be it one command or several.
    let warm = claim(&store, request("warm")).await;
    let settled = store.complete(&warm, &answer("w"), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    let warm = claim(&store, request("released")).await;
    assert_eq!(store.release(&warm).await.unwrap(), Settled::Applied);
    let mut trips = RoundTrips::of(&server).await;

    let held = claim(&store, request("k")).await;
    assert_eq!(trips.taken().await, 1);
    let begun = store.begin(request("k")).await.unwrap();
    assert!(matches!(begun, Begin::InProgress { .. }));
    assert_eq!(trips.taken().await, 1);
    let settled = store.complete(&held, &answer("done"), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    assert_eq!(trips.taken().await, 1);
    assert_eq!(found(&store, "k").await, answer("done"));
    assert_eq!(trips.taken().await, 1);
    let mut fingerprint = [2; Fingerprint::LEN];
    fingerprint[0] = 1;
    let other = BeginRequest {
        fingerprint: Fingerprint::from_bytes(fingerprint),
        ..request("k")
    };
    assert_eq!(store.begin(other).await.unwrap(), Begin::Mismatch);
    assert_eq!(trips.taken().await, 1);

    // A failed execution ends its claim and tells nobody why.
    let held = claim(&store, request("failed")).await;
    let released = store.release(&held).await.unwrap();
    assert_eq!(released, Settled::Applied);
    assert_eq!(trips.taken().await, 2);

    // A local copy of what is completed takes none.
    let cached = Cached::new(store.clone());
    for _ in 0..5 {
        let begun = cached.begin(request("k")).await.unwrap();
        assert!(matches!(begun, Begin::Completed { .. }));
    }
    assert_eq!(trips.taken().await, 1);
}
