//! Durable begin and complete cycles per second, against a group-commit loop written by hand on
//! rusqlite with the same synchronous levels.

use std::sync::mpsc;
use std::time::Duration;

use bench_compare::failure::Failure;
use bench_compare::table::Section;
use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use buttress_store_sqlite::SqliteStore;
use http::{HeaderMap, HeaderValue, StatusCode};
use rusqlite::{Connection, OptionalExtension, params};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Rates;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const RUN: Duration = Duration::from_millis(500);
const ROUNDS: usize = 7;

/// Measures both in turns.
pub(super) fn section() -> Result<Section, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let against = "group commit by hand";
    let mut rows = Vec::new();
    for (callers, least) in [(1, None), (64, Some(0.8))] {
        let mut rates = Rates::default();
        for _ in 0..ROUNDS {
            rates
                .by_hand
                .push(runtime.block_on(run_by_hand(callers, RUN)));
            rates.ours.push(runtime.block_on(run_ours(callers, RUN)));
        }
        rows.push(rates.row(format!("store-sqlite/{callers}-callers"), against, least));
    }
    Ok(Section::new(
        "store in SQLite",
        "durable begin and complete cycles, against one transaction for all that wait, on rusqlite, with \
         the same synchronous levels",
        rows,
    ))
}

/// A new directory on the disk that the build is on: a file system in memory would cost nothing.
fn dir() -> TempDir {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target");
    let dir = tempfile::tempdir_in(target).or_else(|_| tempfile::tempdir_in("."));
    dir.expect("a directory that can be written to")
}

fn answer() -> StoredResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    StoredResponse::new(StatusCode::CREATED, &headers, &[b'x'; 250])
}

async fn run_ours(callers: usize, run: Duration) -> f64 {
    let dir = dir();
    let store = SqliteStore::open(dir.path().join("ours.db")).await.unwrap();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let store = store.clone();
        tasks.spawn(async move {
            let (answer, mut cycles) = (answer(), 0_u32);
            while begun.elapsed() < run {
                let token = Token::random().unwrap();
                let request = BeginRequest {
                    key: RecordKey::derive(&[token.as_bytes()]),
                    fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
                    token,
                    lease: Duration::from_secs(60),
                    retention: DAY,
                    orphan: OrphanPolicy::ReExecute,
                };
                let Begin::Acquired(claim) = store.begin(request).await.unwrap() else {
                    panic!("taken");
                };
                let settled = store.complete(&claim, &answer, DAY).await.unwrap();
                assert_eq!(settled, Settled::Applied);
                cycles += 1;
            }
            cycles
        });
    }
    let cycles: u32 = tasks.join_all().await.into_iter().sum();
    let rate = f64::from(cycles) / begun.elapsed().as_secs_f64();
    store.close().await.unwrap();
    rate
}

enum Op {
    Begin([u8; 33], [u8; 33], [u8; 16]),
    Complete([u8; 33], [u8; 16], StoredResponse),
}

type Call = (Op, oneshot::Sender<bool>);

async fn run_by_hand(callers: usize, run: Duration) -> f64 {
    let dir = dir();
    let path = dir.path().join("by_hand.db");
    let (calls, queue) = mpsc::sync_channel::<Call>(4096);
    let writer = std::thread::spawn(move || write(&path, &queue));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let calls = calls.clone();
        tasks.spawn(async move {
            let (answer, mut cycles) = (answer(), 0_u32);
            while begun.elapsed() < run {
                let token = Token::random().unwrap();
                let key = *RecordKey::derive(&[token.as_bytes()]).as_bytes();
                let token = *token.as_bytes();
                for op in [
                    Op::Begin(key, [1; 33], token),
                    Op::Complete(key, token, answer.clone()),
                ] {
                    let (reply, done) = oneshot::channel();
                    calls.send((op, reply)).unwrap();
                    assert!(done.await.unwrap());
                }
                cycles += 1;
            }
            cycles
        });
    }
    let cycles: u32 = tasks.join_all().await.into_iter().sum();
    let rate = f64::from(cycles) / begun.elapsed().as_secs_f64();
    drop(calls);
    writer.join().unwrap();
    rate
}

fn write(path: &std::path::Path, queue: &mpsc::Receiver<Call>) {
    let db = Connection::open(path).unwrap();
    db.set_prepared_statement_cache_capacity(32);
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE records (key BLOB NOT NULL PRIMARY KEY, fingerprint BLOB NOT NULL,
            token BLOB NOT NULL, execution INTEGER NOT NULL, lease_end INTEGER, retention INTEGER,
            response BLOB, due INTEGER) STRICT;
         CREATE INDEX records_due ON records (due);",
    )
    .unwrap();
    let mut full = true;
    let mut now = 1_700_000_000_000_000_000_i64;
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(127));
        let durable = batch.iter().any(|(op, _)| matches!(op, Op::Complete(..)));
        if durable != full {
            let level = if durable { "FULL" } else { "NORMAL" };
            db.execute_batch(&format!("PRAGMA synchronous = {level}"))
                .unwrap();
            full = durable;
        }
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut outcomes = Vec::with_capacity(batch.len());
        for (op, _) in &batch {
            now += 1000;
            outcomes.push(match op {
                Op::Begin(key, fingerprint, token) => {
                    let mut insert = db
                        .prepare_cached(
                            "INSERT INTO records (key, fingerprint, token, execution, lease_end,
                             retention) VALUES (?,?,?,1,?,?) ON CONFLICT (key) DO NOTHING",
                        )
                        .unwrap();
                    let row = params![key, fingerprint, token, now, 86_400_000_000_000_i64];
                    insert.execute(row).unwrap() == 1 || {
                        let mut select = db
                            .prepare_cached("SELECT response FROM records WHERE key = ?")
                            .unwrap();
                        let found: Option<Vec<u8>> = select
                            .query_row([key], |row| row.get(0))
                            .optional()
                            .unwrap();
                        found.is_none()
                    }
                }
                Op::Complete(key, token, answer) => {
                    let mut update = db
                        .prepare_cached(
                            "UPDATE records SET response = ?, due = ?, lease_end = NULL,
                             retention = NULL WHERE key = ? AND token = ? AND response IS NULL",
                        )
                        .unwrap();
                    let row = params![&answer.encoded()[..], now, key, token];
                    update.execute(row).unwrap() == 1
                }
            });
        }
        db.execute_batch("COMMIT").unwrap();
        for ((_, reply), outcome) in batch.into_iter().zip(outcomes) {
            let _ = reply.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn both_get_cycles_through() {
        let run = Duration::from_millis(50);
        assert!(run_by_hand(4, run).await > 0.0);
        assert!(run_ours(4, run).await > 0.0);
    }
}
