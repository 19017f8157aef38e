//! Begin, complete and replay, against sixteen locked hash maps that do the least that could be
//! called the same, with no bounds, expiry, waiters or futures: `cargo bench -p buttress-store-memory`.
//!
//! Rounds are interleaved; the figure to look at is the ratio of the medians.

use std::collections::HashMap;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, Barrier, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use buttress_store_memory::MemoryStore;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CYCLES: u32 = 40_000;
const ROUNDS: u32 = 31;

fn main() {
    // `cargo test` runs it too, with this argument left out: once is enough there.
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        ROUNDS
    } else {
        1
    };
    println!("threads  map ns  ours ns  ratio");
    for threads in [1, 2] {
        let (mut map, mut ours) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let work = work(threads, round);
            map.push(timed(&work, &Map::default()));
            ours.push(timed(&work, &MemoryStore::default()));
        }
        let (map, ours) = (median(map), median(ours));
        println!("{threads:7}  {map:6.0}  {ours:7.0}  {:.2}", ours / map);
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What each thread begins.
fn work(threads: u32, round: u32) -> Vec<Vec<BeginRequest>> {
    let request = |thread: u32, cycle: u32| {
        let name = [thread, round, cycle, 0].map(u32::to_be_bytes).concat();
        let mut token = [0; Token::LEN];
        token.copy_from_slice(&name);
        BeginRequest {
            key: RecordKey::derive(&[&name]),
            fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
            token: Token::from_bytes(token),
            lease: Duration::from_secs(60),
            retention: DAY,
            orphan: OrphanPolicy::ReExecute,
        }
    };
    (0..threads)
        .map(|thread| (0..CYCLES).map(|cycle| request(thread, cycle)).collect())
        .collect()
}

/// Nanoseconds, on a processor, of one begin, its completion, and a replay.
fn timed<S: Subject>(work: &[Vec<BeginRequest>], subject: &S) -> f64 {
    let answer = StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), &[b'x'; 250]);
    let barrier = Arc::new(Barrier::new(work.len()));
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let threads = work.iter().map(|requests| {
            let (barrier, answer) = (Arc::clone(&barrier), &answer);
            scope.spawn(move || {
                barrier.wait();
                let start = on_cpu();
                for request in requests {
                    subject.cycle(request, answer);
                }
                on_cpu().saturating_sub(start)
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let longest = times.into_iter().max().unwrap_or_default();
    longest.as_secs_f64() * 1e9 / f64::from(CYCLES)
}

/// How long this thread has been on a processor, which other programs do not change; on systems that
/// do not say, the time of day.
fn on_cpu() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let read = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanos = read
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

trait Subject: Sync {
    fn cycle(&self, request: &BeginRequest, answer: &StoredResponse);
}

impl Subject for MemoryStore {
    fn cycle(&self, request: &BeginRequest, answer: &StoredResponse) {
        let Ok(Begin::Acquired(claim)) = ready(self.begin(*request)) else {
            panic!("taken");
        };
        let settled = ready(self.complete(&claim, answer, DAY)).unwrap();
        assert_eq!(settled, Settled::Applied);
        let again = BeginRequest {
            token: Token::from_bytes([0xff; Token::LEN]),
            ..*request
        };
        assert!(matches!(
            black_box(ready(self.begin(again))),
            Ok(Begin::Completed { .. })
        ));
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a memory store never waits"),
    }
}

struct Slot {
    fingerprint: Fingerprint,
    token: Token,
    lease_end: Instant,
    response: Option<StoredResponse>,
}

#[derive(Default)]
struct Map {
    shards: [Mutex<HashMap<RecordKey, Slot>>; 16],
}

impl Map {
    fn shard(&self, key: &RecordKey) -> &Mutex<HashMap<RecordKey, Slot>> {
        &self.shards[usize::from(key.as_bytes()[32]) % 16]
    }

    /// The answer, if there is one; else the key is the caller's.
    fn begin(&self, request: &BeginRequest) -> Option<StoredResponse> {
        let now = Instant::now();
        let mut shard = self.shard(&request.key).lock().unwrap();
        let slot = shard.entry(request.key).or_insert_with(|| Slot {
            fingerprint: request.fingerprint,
            token: request.token,
            lease_end: now + request.lease,
            response: None,
        });
        assert!(request.fingerprint.matches(&slot.fingerprint).unwrap());
        assert!(slot.response.is_some() || slot.token == request.token || slot.lease_end <= now);
        slot.response.clone()
    }

    fn complete(&self, request: &BeginRequest, answer: &StoredResponse) {
        let mut shard = self.shard(&request.key).lock().unwrap();
        let slot = shard.get_mut(&request.key).unwrap();
        assert!(slot.token == request.token && slot.response.is_none());
        slot.response = Some(answer.clone());
    }
}

impl Subject for Map {
    fn cycle(&self, request: &BeginRequest, answer: &StoredResponse) {
        assert!(black_box(self.begin(request)).is_none());
        self.complete(request, answer);
        assert!(black_box(self.begin(request)).is_some());
    }
}
