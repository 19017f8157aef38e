//! The loss of power, sector by sector: what was synced stays, and of what was written since then any
//! part may.
//!
//! Which commits are synced is what the README says; that they are, is SQLite's word for
//! `synchronous = FULL`. The order of its writes is that of `wal.c`: frames of the log, sync; log
//! synced, database written, sync; a log begun anew has its header synced first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use buttress_store_sqlite::SqliteStore;
use http::{HeaderMap, StatusCode};

const DAY: Duration = Duration::from_hours(24);
const SECTOR: usize = 512;
const LOG_HEADER: usize = 32;

fn request(key: u64, orphan: OrphanPolicy) -> BeginRequest {
    BeginRequest {
        key: RecordKey::derive(&[&key.to_be_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: DAY,
        retention: DAY,
        orphan,
    }
}

fn answer(key: u64) -> StoredResponse {
    let size = usize::try_from(key * 7919 % 9000).unwrap();
    let body: Vec<u8> = key.to_be_bytes().into_iter().cycle().take(size).collect();
    StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), &body)
}

/// The three files, as a reader finds them.
#[derive(Clone, Default)]
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
    lock: Vec<u8>,
}

impl Files {
    fn read(file: &Path) -> Self {
        let read = |suffix: &str| {
            let mut path = file.as_os_str().to_owned();
            path.push(suffix);
            std::fs::read(PathBuf::from(path)).unwrap_or_default()
        };
        Self {
            database: read(""),
            log: read("-wal"),
            lock: read(".lock"),
        }
    }

    async fn open(&self) -> (tempfile::TempDir, SqliteStore) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.db");
        std::fs::write(&file, &self.database).unwrap();
        std::fs::write(dir.path().join("store.db-wal"), &self.log).unwrap();
        std::fs::write(dir.path().join("store.db.lock"), &self.lock).unwrap();
        let store = SqliteStore::open(&file).await;
        (
            dir,
            store.expect("what a loss of power leaves is no damage"),
        )
    }
}

/// What must be there after a loss of power.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    Answer,
    /// A claim that nobody may execute again.
    Refused,
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    /// Each sector as it was synced, or as it was written since; any length between the two.
    fn mix(&mut self, synced: &[u8], written: &[u8]) -> Vec<u8> {
        let grown = written.len().saturating_sub(synced.len());
        let length = written.len() - self.below(grown + 1);
        let bias = self.below(5);
        let mut mixed = vec![0; length];
        for start in (0..length).step_by(SECTOR) {
            let end = (start + SECTOR).min(length);
            let source = if self.below(4) < bias {
                written
            } else {
                synced
            };
            let whole = end.min(source.len()).max(start);
            if let Some(bytes) = source.get(start..whole) {
                mixed[start..whole].copy_from_slice(bytes);
            }
        }
        mixed
    }

    /// What the disk may hold when the power goes between two moments.
    fn crash(&mut self, synced: &Files, written: &Files, locks: &[Vec<u8>]) -> Files {
        let lock = locks[self.below(locks.len())].clone();
        let header = |log: &[u8]| log.get(..LOG_HEADER).map(<[u8]>::to_vec);
        if synced.database != written.database && self.below(2) == 0 {
            return Files {
                database: self.mix(&synced.database, &written.database),
                log: written.log.clone(),
                lock,
            };
        }
        let mut before = synced.log.clone();
        if header(&synced.log) != header(&written.log)
            && let Some(new) = header(&written.log)
        {
            before.resize(before.len().max(LOG_HEADER), 0);
            before[..LOG_HEADER].copy_from_slice(&new);
        }
        Files {
            database: synced.database.clone(),
            log: self.mix(&before, &written.log),
            lock,
        }
    }
}

async fn assert_kept(image: &Files, kept: &BTreeMap<u64, Kept>) {
    let (_dir, store) = image.open().await;
    for (key, what) in kept {
        match store.begin(request(*key, OrphanPolicy::ReExecute)).await {
            Ok(Begin::Completed { response, .. }) => assert_eq!(response, answer(*key)),
            Ok(Begin::OutcomeUnknown) if *what == Kept::Refused => {}
            other => panic!("{key}, {what:?}: {other:?}"),
        }
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn whatever_a_loss_of_power_tears_off_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let own = rusqlite::Connection::open(&file).unwrap();
    let (mut dice, mut kept) = (Dice(1), BTreeMap::new());
    let mut synced = Files::read(&file);
    let mut locks = vec![Vec::new(), synced.lock.clone()];
    let mut claims: Vec<(u64, Claim)> = Vec::new();
    let (mut torn, mut checkpoints) = (0, 0);
    for step in 0..90 {
        let before = kept.clone();
        let is_synced = match dice.below(3) {
            0 => {
                let policy = [OrphanPolicy::ReExecute, OrphanPolicy::Refuse][dice.below(2)];
                let Begin::Acquired(claim) = store.begin(request(step, policy)).await.unwrap()
                else {
                    panic!("taken");
                };
                claims.push((step, claim));
                if policy == OrphanPolicy::Refuse {
                    kept.insert(step, Kept::Refused);
                }
                policy == OrphanPolicy::Refuse
            }
            1 if !claims.is_empty() => {
                let (key, claim) = claims.swap_remove(dice.below(claims.len()));
                let settled = store.complete(&claim, &answer(key), DAY).await.unwrap();
                assert_eq!(settled, Settled::Applied);
                kept.insert(key, Kept::Answer);
                true
            }
            _ if step % 5 == 0 => {
                checkpoints += 1;
                let moved = "PRAGMA synchronous = FULL; PRAGMA wal_checkpoint";
                own.execute_batch(moved).unwrap();
                true
            }
            _ => continue,
        };
        let written = Files::read(&file);
        for _ in 0..3 {
            let image = dice.crash(&synced, &written, &locks);
            torn += usize::from(image.log != written.log);
            assert_kept(&image, &before).await;
        }
        assert_kept(&written, &kept).await;
        if is_synced {
            locks.push(written.lock.clone());
            synced = written;
        }
    }
    assert!(torn > 45 && checkpoints > 3, "{torn} {checkpoints}");
}
