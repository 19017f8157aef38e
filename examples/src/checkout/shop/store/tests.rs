//! The law of order rows, run against every backend.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use buttress_idempotency::OutboundKey;
use buttress_key::IdempotencyKey;
use tokio::time::{Instant, sleep};

use super::{Hold, MemoryRows, RowStore};
use crate::checkout::shop::input::NewOrder;
use crate::checkout::shop::row::{Row, State};

const LEASE: Duration = Duration::from_secs(30);
const ALL: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99);

/// A row of an order of this name.
fn row(id: &str) -> Row {
    let order = NewOrder {
        id: id.into(),
        amount: 5,
        currency: "usd".into(),
    };
    let key = IdempotencyKey::parse(format!("key of {id}")).unwrap();
    Row::new(
        order,
        OutboundKey::new(key, SystemTime::now()),
        Instant::now(),
    )
}

fn hold(lease: Duration) -> Hold {
    Hold::new(lease).unwrap()
}

/// The whole law, on rows that are empty.
async fn keep_the_law(rows: &dyn RowStore) {
    assert!(rows.page(None, ALL).await.unwrap().is_empty());
    assert!(rows.adrift(ALL).await.unwrap().is_empty());
    an_order_has_one_first_row(rows).await;
    a_change_needs_the_revision_of_the_row_that_stands(rows).await;
    an_order_is_held_by_one_at_a_time(rows).await;
    a_hold_that_has_ended_is_renewed_unless_somebody_took_the_order(rows).await;
    what_is_settled_or_held_is_not_adrift(rows).await;
    pages_bring_every_row_once(rows).await;
}

async fn an_order_has_one_first_row(rows: &dyn RowStore) {
    assert!(rows.get("first").await.unwrap().is_none());
    let mine = hold(LEASE);
    assert!(rows.insert(&row("first"), mine).await.unwrap());
    assert!(!rows.insert(&row("first"), hold(LEASE)).await.unwrap());
    let stored = rows.get("first").await.unwrap().unwrap();
    assert_eq!((stored.revision, stored.holder), (1, Some(mine.holder)));
    assert_eq!(stored.row.key.key().as_str(), "key of first");
}

async fn a_change_needs_the_revision_of_the_row_that_stands(rows: &dyn RowStore) {
    let mine = hold(LEASE);
    let mut changed = row("changed");
    assert!(!rows.swap(&changed, 1).await.unwrap());
    rows.insert(&changed, mine).await.unwrap();
    changed.state = State::Charging;
    assert!(rows.swap(&changed, 1).await.unwrap());
    changed.state = State::Created;
    assert!(!rows.swap(&changed, 1).await.unwrap());
    let stored = rows.get("changed").await.unwrap().unwrap();
    assert_eq!((stored.row.state, stored.revision), (State::Charging, 2));
    assert_eq!(stored.holder, Some(mine.holder));
}

async fn an_order_is_held_by_one_at_a_time(rows: &dyn RowStore) {
    let (first, second) = (hold(LEASE), hold(LEASE));
    assert!(rows.take("held", first).await.unwrap().is_none());
    let held = row("held");
    rows.insert(&held, first).await.unwrap();
    assert!(rows.take("held", second).await.unwrap().is_none());
    // Not even by itself: two lives of an order are two.
    assert!(rows.take("held", first).await.unwrap().is_none());
    rows.release("held", second.holder).await.unwrap();
    assert!(rows.take("held", second).await.unwrap().is_none());

    rows.release("held", first.holder).await.unwrap();
    let taken = rows.take("held", second).await.unwrap().unwrap();
    assert_eq!((taken.revision, taken.holder), (2, Some(second.holder)));
    assert!(!rows.renew("held", first).await.unwrap());
    assert!(rows.renew("held", second).await.unwrap());
    // What the former holder still wanted to write.
    assert!(!rows.swap(&held, 1).await.unwrap());
}

async fn a_hold_that_has_ended_is_renewed_unless_somebody_took_the_order(rows: &dyn RowStore) {
    let short = Duration::from_millis(20);
    let (first, second) = (hold(short), hold(LEASE));
    rows.insert(&row("late"), first).await.unwrap();
    sleep(2 * short).await;
    assert_eq!(rows.get("late").await.unwrap().unwrap().holder, None);
    assert!(rows.renew("late", first).await.unwrap());
    sleep(2 * short).await;
    assert!(rows.take("late", second).await.unwrap().is_some());
    assert!(!rows.renew("late", first).await.unwrap());
    rows.release("late", first.holder).await.unwrap();
    let stored = rows.get("late").await.unwrap().unwrap();
    assert_eq!(stored.holder, Some(second.holder));
}

async fn what_is_settled_or_held_is_not_adrift(rows: &dyn RowStore) {
    for id in ["adrift-1", "adrift-2", "adrift-3"] {
        let mine = hold(LEASE);
        rows.insert(&row(id), mine).await.unwrap();
        rows.release(id, mine.holder).await.unwrap();
    }
    let mut paid = row("adrift-1");
    paid.state = State::Paid;
    assert!(rows.swap(&paid, 1).await.unwrap());
    assert!(rows.take("adrift-2", hold(LEASE)).await.unwrap().is_some());
    let adrift = rows.adrift(ALL).await.unwrap();
    let adrift: Vec<_> = adrift
        .iter()
        .filter(|id| id.starts_with("adrift"))
        .collect();
    assert_eq!(adrift, ["adrift-3"]);
    assert_eq!(rows.adrift(NonZeroUsize::MIN).await.unwrap().len(), 1);
}

async fn pages_bring_every_row_once(rows: &dyn RowStore) {
    for number in 0..5 {
        let id = format!("page-{number}");
        rows.insert(&row(&id), hold(LEASE)).await.unwrap();
    }
    let three = NonZeroUsize::MIN.saturating_add(2);
    let (mut seen, mut last) = (Vec::new(), Some("page-".to_owned()));
    while let Some(after) = last {
        let page = rows.page(Some(&after), three).await.unwrap();
        seen.extend(page.iter().map(|row| row.order.id.clone()));
        last = (page.len() == 3).then(|| seen.last().unwrap().clone());
    }
    assert_eq!(seen, ["page-0", "page-1", "page-2", "page-3", "page-4"]);
    let all = rows.page(None, ALL).await.unwrap();
    assert!(all.is_sorted_by_key(|row| row.order.id.clone()) && all.len() > 5);
}

#[tokio::test]
async fn rows_in_memory_keep_the_law() {
    keep_the_law(&MemoryRows::default()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn rows_in_a_file_keep_the_law() {
    let dir = tempfile::tempdir().unwrap();
    let rows = super::SqliteRows::open(&dir.path().join("shop.db")).await;
    keep_the_law(&rows.unwrap()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn what_a_process_held_in_a_file_is_adrift_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    let rows = super::SqliteRows::open(&path).await.unwrap();
    rows.insert(&row("o-1"), hold(LEASE)).await.unwrap();
    assert!(rows.adrift(ALL).await.unwrap().is_empty());
    drop(rows);

    let rows = super::SqliteRows::open(&path).await.unwrap();
    assert_eq!(rows.adrift(ALL).await.unwrap(), ["o-1"]);
    let taken = rows.take("o-1", hold(LEASE)).await.unwrap().unwrap();
    assert_eq!((taken.revision, taken.row.order.amount), (2, 5));
}

/// Another process finds what the first one holds held.
#[cfg(any(feature = "postgres", feature = "redis"))]
async fn a_hold_is_known_to_every_process(rows: &dyn RowStore, other: &dyn RowStore) {
    let mine = hold(LEASE);
    rows.insert(&row("shared-1"), mine).await.unwrap();
    let stored = other.get("shared-1").await.unwrap().unwrap();
    assert_eq!(stored.holder, Some(mine.holder));
    assert!(other.take("shared-1", hold(LEASE)).await.unwrap().is_none());
    rows.release("shared-1", mine.holder).await.unwrap();
    let taken = other.take("shared-1", hold(LEASE)).await.unwrap();
    assert_eq!(taken.unwrap().revision, 2);
}

#[cfg(feature = "postgres")]
#[path = "../../../../../crates/store-postgres/tests/server/mod.rs"]
mod postgres_server;

#[cfg(feature = "postgres")]
#[tokio::test]
async fn rows_in_postgres_keep_the_law() {
    let server = postgres_server::Server::shared();
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port());
    let url = super::Url::new(&url);
    let (rows, _records) = super::PostgresRows::open(&url).await.unwrap();
    keep_the_law(&rows).await;
    let (other, _records) = super::PostgresRows::open(&url).await.unwrap();
    a_hold_is_known_to_every_process(&rows, &other).await;
}

#[cfg(feature = "redis")]
#[path = "../../../../../crates/store-redis/tests/support/server.rs"]
#[allow(dead_code, reason = "this uses a part of it")]
mod redis_server;

#[cfg(feature = "redis")]
#[tokio::test]
async fn rows_in_redis_keep_the_law() {
    let server = redis_server::Server::start().await;
    let url = super::Url::new(&server.url());
    let rows = super::RedisRows::connect(&url).await.unwrap();
    keep_the_law(&rows).await;
    let other = super::RedisRows::connect(&url).await.unwrap();
    a_hold_is_known_to_every_process(&rows, &other).await;
}
