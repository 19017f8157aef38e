//! The store in memory, against sixteen maps behind a mutex each.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Barrier, Mutex};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use bench_compare::clock::{Batch, interleave};
use bench_compare::failure::Failure;
use bench_compare::table::{By, Row, Section, Verdict};
use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoreError, StoredResponse, Token,
};
use buttress_store_memory::MemoryStore;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

const ROUNDS: usize = 15;
const CYCLES: usize = 5_000;
const SHARDS: usize = 16;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many times as long as the maps.
const GOAL: f64 = 1.6;

type Key = [u8; RecordKey::LEN];

/// The maps.
struct Maps {
    hasher: RandomState,
    shards: [Mutex<HashMap<Key, Entry>>; SHARDS],
}

struct Entry {
    fingerprint: Fingerprint,
    token: Token,
    answer: Option<StoredResponse>,
}

impl Maps {
    fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    fn shard(&self, key: &Key) -> &Mutex<HashMap<Key, Entry>> {
        #[allow(clippy::cast_possible_truncation, reason = "a remainder of 16")]
        let index = (self.hasher.hash_one(key) % SHARDS as u64) as usize;
        &self.shards[index]
    }

    /// Whether the key is free, and now the token's.
    fn reserve(&self, key: Key, fingerprint: Fingerprint, token: Token) -> bool {
        let mut records = self.shard(&key).lock().expect("nobody panics with it");
        let vacant = !records.contains_key(&key);
        if vacant {
            let answer = None;
            let entry = Entry {
                fingerprint,
                token,
                answer,
            };
            records.insert(key, entry);
        }
        vacant
    }

    fn complete(&self, key: &Key, token: &Token, answer: &StoredResponse) -> bool {
        let mut records = self.shard(key).lock().expect("nobody panics with it");
        let Some(entry) = records.get_mut(key).filter(|entry| entry.token == *token) else {
            return false;
        };
        entry.answer = Some(answer.clone());
        true
    }

    fn get(&self, key: &Key, fingerprint: &Fingerprint) -> Option<StoredResponse> {
        let records = self.shard(key).lock().expect("nobody panics with it");
        let entry = records.get(key);
        let entry = entry.filter(|entry| entry.fingerprint.as_bytes() == fingerprint.as_bytes());
        entry.and_then(|entry| entry.answer.clone())
    }
}

/// Measures both.
pub(super) fn section() -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for threads in [1, 2] {
        rows.extend(compare(&requests(threads)?));
    }
    Ok(Section::new(
        "store in memory",
        "a cycle begins a key, completes it, and is given the answer again; the maps neither expire nor \
         are bounded",
        rows,
    ))
}

/// `work` has the requests of each thread.
fn compare(work: &[Vec<BeginRequest>]) -> [Row; 2] {
    let mut batches: [Batch<'_>; 2] = [
        Box::new(|| {
            let maps = Maps::new();
            longest(work, |requests| {
                let begun = Instant::now();
                assert!(by_hand(&maps, requests), "a key was taken");
                begun.elapsed()
            })
        }),
        Box::new(|| {
            let store = MemoryStore::default();
            longest(work, |requests| {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let runtime = runtime.expect("it needs nothing");
                runtime.block_on(tokio::task::unconstrained(async {
                    let begun = Instant::now();
                    let kept = ours(&store, requests).await;
                    assert!(matches!(kept, Ok(true)), "a key was taken: {kept:?}");
                    begun.elapsed()
                }))
            })
        }),
    ];
    let timings = interleave(&mut batches, ROUNDS, CYCLES).timings();
    let (maps, store) = (timings[0], timings[1]);
    let threads = work.len();
    let against = format!("Mutex<HashMap> × 16/{threads}-threads");
    [
        Row::new(against.clone(), "").figure("ns a cycle", maps.nanos),
        Row::new(format!("store-memory/{threads}-threads"), &against)
            .ratio(store.ratio)
            .figure("ns a cycle", store.nanos)
            .goal(Some(verdict(store.ratio.median))),
    ]
}

/// How long the slowest of all threads took, which begin together.
fn longest(
    work: &[Vec<BeginRequest>],
    run: impl Fn(&[BeginRequest]) -> Duration + Sync,
) -> Duration {
    let barrier = Barrier::new(work.len());
    std::thread::scope(|scope| {
        let threads = work.iter().map(|requests| {
            scope.spawn(|| {
                barrier.wait();
                run(requests)
            })
        });
        let threads: Vec<_> = threads.collect();
        let times = threads.into_iter().map(ScopedJoinHandle::join);
        times.map(|time| time.expect("no key is taken")).max()
    })
    .unwrap_or_default()
}

fn verdict(ratio: f64) -> Verdict {
    Verdict {
        goal: format!("≤ {GOAL} × the time of Mutex<HashMap> × 16"),
        measured: format!("{ratio:.2} ×"),
        met: ratio <= GOAL,
        by: By::LowRatio,
    }
}

fn requests(threads: usize) -> Result<Vec<Vec<BeginRequest>>, StoreError> {
    let request = || {
        let token = Token::random()?;
        Ok(BeginRequest {
            key: RecordKey::derive(&[token.as_bytes()]),
            fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
            token,
            lease: Duration::from_secs(60),
            retention: DAY,
            orphan: OrphanPolicy::ReExecute,
        })
    };
    (0..threads)
        .map(|_| (0..CYCLES).map(|_| request()).collect())
        .collect()
}

fn answer() -> StoredResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    StoredResponse::new(StatusCode::CREATED, &headers, &[b'x'; 250])
}

fn by_hand(maps: &Maps, requests: &[BeginRequest]) -> bool {
    let answer = answer();
    requests.iter().all(|request| {
        let key = *request.key.as_bytes();
        maps.reserve(key, request.fingerprint, request.token)
            && maps.complete(&key, &request.token, &answer)
            && maps.get(&key, &request.fingerprint).is_some()
    })
}

async fn ours(store: &MemoryStore, requests: &[BeginRequest]) -> Result<bool, StoreError> {
    let answer = answer();
    for request in requests {
        let Begin::Acquired(claim) = store.begin(*request).await? else {
            return Ok(false);
        };
        if store.complete(&claim, &answer, DAY).await? != Settled::Applied {
            return Ok(false);
        }
        if !matches!(store.begin(*request).await?, Begin::Completed { .. }) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_keep_every_answer_and_give_a_key_once() {
        let work = requests(2).unwrap();
        let (maps, store) = (Maps::new(), MemoryStore::default());
        for requests in &work {
            assert!(by_hand(&maps, requests));
            assert!(ours(&store, requests).await.unwrap());
        }
        assert!(!by_hand(&maps, &work[1]));
        assert!(!ours(&store, &work[1]).await.unwrap());
    }

    #[test]
    fn the_slowest_thread_counts() {
        let request = requests(1).unwrap().remove(0).remove(0);
        let work = [1, 3, 2].map(|count| vec![request; count]);
        let took = longest(&work, |requests| Duration::from_secs(requests.len() as u64));
        assert_eq!(took, Duration::from_secs(3));
    }
}
