//! The file itself: damage, versions, neighbours, and closing.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, SystemTime};

use buttress_store::{
    Begin, BeginRequest, Claim, Durability, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey,
    Settled, StoreErrorKind, StoredResponse, Token,
};
use buttress_store_sqlite::{Locked, SqliteStore};
use http::{HeaderMap, StatusCode};

const LEASE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

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

fn answer(key: u32) -> StoredResponse {
    StoredResponse::new(
        StatusCode::OK,
        &HeaderMap::new(),
        &[7; 300].map(|b: u8| b ^ key.to_le_bytes()[0]),
    )
}

async fn claim(store: &SqliteStore, key: u32) -> Claim {
    match store.begin(request(key)).await.unwrap() {
        Begin::Acquired(claim) => claim,
        other => panic!("{other:?}"),
    }
}

async fn complete(store: &SqliteStore, key: u32) {
    let claim = claim(store, key).await;
    let settled = store.complete(&claim, &answer(key), DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
}

/// A closed database of this many answers.
async fn filled(file: &Path, answers: u32) {
    let store = SqliteStore::open(file).await.unwrap();
    for key in 0..answers {
        complete(&store, key).await;
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_and_never_an_absent_or_another_answer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    filled(&file, 60).await;
    let sound = std::fs::read(&file).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    let mut dice = 1_u64;
    // The whole first page, which names the tables, then anywhere.
    for flip in 0..600 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bit = if flip < 300 {
            usize::try_from(dice >> 33).unwrap() % (4096 * 8)
        } else {
            usize::try_from(dice >> 33).unwrap() % (sound.len() * 8)
        };
        let mut damaged = sound.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.db");
        std::fs::write(&file, &damaged).unwrap();
        let store = match SqliteStore::open(&file).await {
            Ok(store) => store,
            Err(error) => {
                let kind = error.kind();
                assert!(
                    matches!(kind, StoreErrorKind::Corrupt | StoreErrorKind::Unavailable),
                    "{error}"
                );
                refused += 1;
                continue;
            }
        };
        harmless += 1;
        for key in 0..60 {
            match store.begin(request(key)).await {
                Ok(Begin::Completed { response, .. }) => assert_eq!(response, answer(key)),
                Ok(other) => panic!("bit {bit} of byte {}: {other:?}", bit / 8),
                Err(_) => {}
            }
        }
    }
    println!("{refused} refused, {harmless} harmless");
    assert!(refused > 200 && harmless > 0);
}

#[tokio::test]
async fn damage_is_found_when_asked_for_if_not_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    filled(&file, 3).await;
    let raw = rusqlite::Connection::open(&file).unwrap();
    let changed = raw
        .execute(
            "UPDATE buttress_idempotency SET execution = 9 WHERE key = ?",
            [&request(1).key.as_bytes()[..]],
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(raw);

    let error = SqliteStore::open(&file).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);

    let store = SqliteStore::builder(&file)
        .check_at_open(false)
        .open()
        .await
        .unwrap();
    let error = store.begin(request(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    // In one batch with it, the others are answered.
    let (sound, damaged) = tokio::join!(store.begin(request(2)), store.begin(request(1)));
    assert!(matches!(sound.unwrap(), Begin::Completed { .. }));
    assert!(damaged.is_err());
}

#[tokio::test]
async fn a_damaged_claim_is_an_error_and_is_not_taken_for_absent() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let _claim = claim(&store, 0).await;
    store.close().await.unwrap();
    let raw = rusqlite::Connection::open(&file).unwrap();
    raw.execute(
        "UPDATE buttress_idempotency SET orphan = 1 WHERE length(key) = 33",
        [],
    )
    .unwrap();
    drop(raw);

    let store = SqliteStore::builder(&file)
        .check_at_open(false)
        .open()
        .await
        .unwrap();
    for _ in 0..2 {
        let error = store.begin(request(0)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn a_begin_and_a_release_of_its_token_in_one_batch_leave_an_answer_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path().join("store.db"))
        .await
        .unwrap();
    complete(&store, 0).await;
    let again = request(0);
    let impatient = Claim::new(again.key, again.token, 1);
    let (begun, released) = tokio::join!(store.begin(again), store.release(&impatient));
    assert!(matches!(begun.unwrap(), Begin::Completed { .. }));
    assert_eq!(released.unwrap(), Settled::Lost);
    let found = store.begin(request(0)).await.unwrap();
    assert!(matches!(found, Begin::Completed { response, .. } if response == answer(0)));
}

#[tokio::test]
async fn what_is_no_database_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    std::fs::write(&file, vec![0x55; 8192]).unwrap();
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);

    let nowhere = dir.path().join("absent").join("store.db");
    let error = SqliteStore::open(nowhere).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_row_of_a_newer_version_is_an_error_and_is_neither_absent_nor_purged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    filled(&file, 2).await;
    {
        let store = SqliteStore::open(&file).await.unwrap();
        let _claim = claim(&store, 2).await;
        store.close().await.unwrap();
    }
    let raw = rusqlite::Connection::open(&file).unwrap();
    raw.execute(
        "UPDATE buttress_idempotency SET version = 2 WHERE length(key) = 33",
        [],
    )
    .unwrap();
    raw.execute(
        "UPDATE buttress_idempotency SET due = 1 WHERE due IS NOT NULL",
        [],
    )
    .unwrap();
    drop(raw);

    let store = SqliteStore::open(&file).await.unwrap();
    for key in 0..3 {
        let request = request(key);
        let error = store.begin(request).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unsupported);
        let claim = Claim::new(request.key, request.token, 1);
        let error = store.complete(&claim, &answer(key), DAY).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unsupported);
    }
    assert_eq!(store.purge(NonZeroUsize::MAX).await.unwrap(), 0);
}

#[tokio::test]
async fn an_answer_in_a_newer_format_is_an_error_and_the_one_before_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let old = StoredResponse::decode(b"\x01\x00\xc8\x00\x02hi"[..].to_vec().into()).unwrap();
    let claim = claim(&store, 0).await;
    let settled = store.complete(&claim, &old, DAY).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    store.close().await.unwrap();

    let store = SqliteStore::open(&file).await.unwrap();
    let Begin::Completed { response, .. } = store.begin(request(0)).await.unwrap() else {
        panic!("absent");
    };
    assert_eq!(response.to_response().unwrap().body(), "hi");
}

#[tokio::test]
async fn a_row_is_written_as_it_always_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let store = SqliteStore::builder(&file)
        .clock(clock)
        .open()
        .await
        .unwrap();
    let fixed = BeginRequest {
        key: RecordKey::from_bytes([1; RecordKey::LEN]),
        token: Token::from_bytes([2; Token::LEN]),
        lease: Duration::MAX,
        retention: LEASE,
        orphan: OrphanPolicy::Refuse,
        ..request(0)
    };
    let Begin::Acquired(claim) = store.begin(fixed).await.unwrap() else {
        panic!("taken");
    };
    let row = || {
        rusqlite::Connection::open(&file)
            .unwrap()
            .query_row(
                "SELECT version, execution, lease_end, retention, orphan, hex(response), due, checksum
                 FROM buttress_idempotency WHERE length(key) = 33",
                [],
                |row| {
                    Ok((
                        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?),
                        (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?),
                    ))
                },
            )
            .unwrap()
    };
    let claimed: Row = row();
    assert_eq!(
        claimed,
        (
            (1, 1, Some(i64::MAX), Some(60_000_000_000)),
            (Some(1), String::new(), None, CLAIMED),
        )
    );
    let short = StoredResponse::without_body(StatusCode::OK, &HeaderMap::new());
    let settled = store.complete(&claim, &short, Duration::MAX).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let completed: Row = row();
    assert_eq!(
        completed,
        (
            (1, 1, None, None),
            (None, "020100C80000".into(), Some(i64::MAX), COMPLETED),
        )
    );
}

/// Version, execution, lease end, retention; orphan policy, response, due, checksum.
type Row = (
    (i64, i64, Option<i64>, Option<i64>),
    (Option<i64>, String, Option<i64>, i64),
);

/// SHA-256 over lengths and bytes as `row.rs` says, computed apart from it.
const CLAIMED: i64 = -1_965_896_761_989_299_256;
const COMPLETED: i64 = -8_375_338_274_396_671_248;

#[tokio::test]
async fn a_tally_of_a_newer_version_is_an_error_and_a_damaged_one_too() {
    for (change, kind) in [
        ("version = 2", StoreErrorKind::Unsupported),
        ("execution = execution + 1", StoreErrorKind::Corrupt),
        ("token = x'00'", StoreErrorKind::Corrupt),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.db");
        filled(&file, 1).await;
        let raw = rusqlite::Connection::open(&file).unwrap();
        let update = format!("UPDATE buttress_idempotency SET {change} WHERE length(key) = 5");
        assert_eq!(raw.execute(&update, []).unwrap(), 1);
        drop(raw);
        for check in [true, false] {
            let open = SqliteStore::builder(&file).check_at_open(check).open();
            assert_eq!(open.await.unwrap_err().kind(), kind, "{change}");
        }
    }
}

#[tokio::test]
async fn answers_outlive_the_store_and_expire_by_the_wall_clock() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    filled(&file, 1).await;
    let store = SqliteStore::open(&file).await.unwrap();
    assert!(matches!(
        store.begin(request(0)).await.unwrap(),
        Begin::Completed { .. }
    ));
    store.close().await.unwrap();

    let tomorrow = || SystemTime::now() + DAY;
    let store = SqliteStore::builder(&file)
        .clock(tomorrow)
        .open()
        .await
        .unwrap();
    assert_eq!(claim(&store, 0).await.execution(), 1);
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_changes_no_lease() {
    let fast = || SystemTime::now() + Duration::from_hours(1);
    let slow = || SystemTime::now() - Duration::from_hours(1);
    for clock in [fast, slow] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.db");
        let store = SqliteStore::builder(&file).clock(clock).open();
        let store = store.await.unwrap();
        let _claim = claim(&store, 0).await;
        let found = store.begin(request(0)).await.unwrap();
        let Begin::InProgress { retry_after } = found else {
            panic!("{found:?}");
        };
        assert!(retry_after <= LEASE && retry_after > LEASE / 2);
    }
}

#[tokio::test]
async fn the_application_keeps_its_own_tables_in_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.db");
    let wait = Duration::from_millis(200);
    let store = SqliteStore::builder(&file)
        .busy_wait(wait)
        .open()
        .await
        .unwrap();
    let mut own = rusqlite::Connection::open(&file).unwrap();
    own.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        .unwrap();
    complete(&store, 0).await;

    // A transaction of the application that takes too long is an error, and no harm.
    let transaction = own
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    transaction
        .execute("INSERT INTO orders VALUES (1)", [])
        .unwrap();
    let error = store.begin(request(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    // What needs no write is answered meanwhile.
    assert!(matches!(
        store.begin(request(0)).await.unwrap(),
        Begin::Completed { .. }
    ));
    transaction.commit().unwrap();
    complete(&store, 1).await;
    let orders: i64 = own
        .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
        .unwrap();
    assert_eq!(orders, 1);
}

#[tokio::test]
async fn a_database_in_doubt_refuses_everything_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let held = claim(&store, 0).await;
    let raw = rusqlite::Connection::open(&file).unwrap();
    raw.execute_batch("DROP TABLE buttress_idempotency")
        .unwrap();
    drop(raw);

    let error = store.complete(&held, &answer(0), DAY).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Indeterminate);
    let error = store.begin(request(0)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.source().is_some());
    store.close().await.unwrap();
    SqliteStore::open(&file).await.unwrap();
}

#[tokio::test]
async fn two_stores_of_one_process_exclude_each_other_by_any_name_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let other_name = dir.path().join(".").join("store.db");
    let second = SqliteStore::builder(other_name).lock_wait(Duration::ZERO);
    let error = second.clone().open().await.unwrap_err();
    assert!(error.source().unwrap().is::<Locked>());

    // A clone keeps it open; closing lets go at once, whoever still has a clone.
    let clone = store.clone();
    store.close().await.unwrap();
    let _second = second.open().await.unwrap();
    let error = clone.begin(request(0)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    clone.close().await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_clone_closes_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    complete(&store, 0).await;
    drop(store);
    let store = SqliteStore::open(&file).await.unwrap();
    assert!(matches!(
        store.begin(request(0)).await.unwrap(),
        Begin::Completed { .. }
    ));
}

#[tokio::test]
async fn a_repeat_writes_nothing_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    complete(&store, 0).await;
    let files = || {
        ["store.db", "store.db-wal", "store.db.lock"]
            .map(|name| std::fs::read(dir.path().join(name)).unwrap())
    };
    let before = files();
    for orphan in [OrphanPolicy::ReExecute, OrphanPolicy::Refuse] {
        let again = BeginRequest {
            orphan,
            ..request(0)
        };
        let found = store.begin(again).await.unwrap();
        assert!(matches!(found, Begin::Completed { .. }));
        assert!(files() == before, "{orphan:?}");
    }
}

#[tokio::test]
async fn close_finishes_what_has_been_asked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let calls = (0..50).map(|key| {
        let store = store.clone();
        tokio::spawn(async move { store.begin(request(key)).await })
    });
    let calls: Vec<_> = calls.collect();
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    for call in calls {
        assert!(matches!(call.await.unwrap().unwrap(), Begin::Acquired(_)));
    }
}

#[tokio::test]
async fn whoever_asks_a_closed_store_is_told_so_and_may_close_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path().join("store.db"))
        .await
        .unwrap();
    let late = store.clone();
    let (closed, begun) = tokio::join!(store.close(), late.begin(request(1)));
    closed.unwrap();
    for begun in [begun, late.begin(request(2)).await] {
        match begun {
            Ok(begun) => assert!(matches!(begun, Begin::Acquired(_))),
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Unavailable),
        }
    }
    let error = late.begin(request(3)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    late.close().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_is_dropped_in_the_middle_loses_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path().join("store.db"))
        .await
        .unwrap();
    for round in 0..40_u32 {
        let mut first = store.begin(request(round * 100));
        let mut others = Vec::new();
        for other in 1..6 {
            others.push(store.begin(request(round * 100 + other)));
        }
        // One asks, the others queue behind it, and the first is dropped at some poll.
        for poll in 0..=round % 8 {
            let once = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(first.as_mut().poll(cx).is_ready())
            });
            if once.await {
                break;
            }
            if poll == 0 {
                for other in &mut others {
                    std::future::poll_fn(|cx| {
                        let _ = other.as_mut().poll(cx);
                        std::task::Poll::Ready(())
                    })
                    .await;
                }
            }
            tokio::task::yield_now().await;
        }
        drop(first);
        for other in others {
            let begun = tokio::time::timeout(LEASE, other).await;
            assert!(matches!(begun.unwrap().unwrap(), Begin::Acquired(_)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_begins_replays_and_takeovers_share_a_batch() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    filled(&file, 20).await;
    let store = SqliteStore::open(&file).await.unwrap();
    for key in 20..40 {
        let short = BeginRequest {
            lease: Duration::ZERO,
            ..request(key)
        };
        let begun = store.begin(short).await.unwrap();
        assert!(matches!(begun, Begin::Acquired(_)));
    }
    for round in 0..5 {
        let calls = (0..60).map(|key| {
            let store = store.clone();
            // New keys in each round.
            let key = if key < 40 { key } else { key + 100 * round };
            let lease = if key < 40 { Duration::ZERO } else { LEASE };
            let request = BeginRequest {
                lease,
                ..request(key)
            };
            tokio::spawn(async move { (key, store.begin(request).await.unwrap()) })
        });
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                (key @ 0..20, Begin::Completed { response, .. }) => {
                    assert_eq!(response, answer(key));
                }
                (20..40, Begin::Acquired(claim)) => assert_eq!(claim.execution(), 2 + round),
                (40.., Begin::Acquired(claim)) => assert_eq!(claim.execution(), 1),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn it_promises_what_it_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path().join("store.db"))
        .await
        .unwrap();
    let capabilities = store.capabilities();
    assert_eq!(capabilities.durability, Durability::PowerLoss);
    assert!(capabilities.wakes && !capabilities.shared);
    assert!(format!("{store:?}").starts_with("SqliteStore"));
}
