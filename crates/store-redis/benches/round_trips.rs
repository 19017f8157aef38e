//! Begin and complete cycles per second, against two round trips by hand on the same client library,
//! all in turns on one server of its own: `cargo bench -p buttress-store-redis`.
//!
//! `SETs` is what a shop without a store would write: `SET .. NX PX` to claim, `SET .. PX` to keep the
//! answer. It compares no token and no fingerprint. `floor` is the least that compares the token: a
//! claim that returns what is there and for how long, so that a replay is one round trip, and a script
//! that keeps the answer if the claim is still the caller's, for no command does both. `scripts` is
//! two scripts by hand.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use buttress_store_redis::RedisStore;
use http::{HeaderMap, HeaderValue, StatusCode};
use redis::aio::MultiplexedConnection;
use redis::{Script, Value};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{RoundTrips, Server};

#[path = "../tests/support/mod.rs"]
mod support;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Short, and many: what else the machine does meanwhile then falls on all of them alike.
const RUN: Duration = Duration::from_millis(60);
const ROUNDS: usize = 41;

static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local found = redis.call('HMGET', KEYS[1], 'fingerprint', 'token', 'answer') \
         if found[1] then return found end \
         redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'token', ARGV[2]) \
         redis.call('PEXPIRE', KEYS[1], ARGV[3]) return 1",
    )
});
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end \
         redis.call('HSET', KEYS[1], 'answer', ARGV[2]) \
         redis.call('PEXPIRE', KEYS[1], ARGV[3]) return 1",
    )
});
static KEEP_IF_MINE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
         redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1",
    )
});

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::start().await;
        let connection = server.connection().await;
        let store = RedisStore::connect(server.url()).await.unwrap();
        println!(
            "callers  SETs/s  scripts/s  floor/s  ours/s  of SETs  of scripts  of floor  \
             CPU us of SETs  CPU us of floor  CPU us of ours"
        );
        for callers in [1, 64] {
            let mut rates = [const { Vec::new() }; RIVALS];
            let mut costs = [Cost::default(); RIVALS];
            for _ in 0..ROUNDS {
                for (rival, rates) in rates.iter_mut().enumerate() {
                    let before = cpu(&server);
                    let (cycles, took) = match rival {
                        SETS => run(callers, || set(connection.clone())).await,
                        SCRIPTS => run(callers, || script(connection.clone())).await,
                        FLOOR => run(callers, || floor(connection.clone())).await,
                        _ => run(callers, || cycle(store.clone())).await,
                    };
                    rates.push(f64::from(cycles) / took.as_secs_f64());
                    costs[rival].add(cpu(&server) - before, cycles);
                }
                server.cli(&["FLUSHALL"]);
            }
            // Of each round its ratio, for all in it are of one moment.
            let ratio = |rival: usize| {
                let pairs = rates[OURS].iter().zip(&rates[rival]);
                median(pairs.map(|(ours, other)| ours / other).collect())
            };
            let [sets, scripts, floor, ours] = rates.clone().map(median);
            println!(
                "{callers:7}  {sets:6.0}  {scripts:9.0}  {floor:7.0}  {ours:6.0}  {:7.2}  {:10.2}  \
                 {:8.2}  {:14.1}  {:15.1}  {:14.1}",
                ratio(SETS),
                ratio(SCRIPTS),
                ratio(FLOOR),
                costs[SETS].of_a_cycle(),
                costs[FLOOR].of_a_cycle(),
                costs[OURS].of_a_cycle(),
            );
        }
        let replays = replays(&server, &store).await;
        println!("round trips of a replay: {replays}");
    });
}

const SETS: usize = 0;
const SCRIPTS: usize = 1;
const FLOOR: usize = 2;
const OURS: usize = 3;
const RIVALS: usize = 4;

/// Processor time of client and server together: on a busy machine, what is left of throughput.
#[derive(Clone, Copy, Default)]
struct Cost {
    seconds: f64,
    cycles: u32,
}

impl Cost {
    fn add(&mut self, seconds: f64, cycles: u32) {
        self.seconds += seconds;
        self.cycles += cycles;
    }

    fn of_a_cycle(&self) -> f64 {
        self.seconds * 1e6 / f64::from(self.cycles)
    }
}

/// Seconds, of this process (Linux counts them in hundredths) and of the server.
fn cpu(server: &Server) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ');
    let ticks = fields
        .skip(12)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    let told = server.cli(&["INFO", "cpu"]);
    let spent = told.lines().filter_map(|line| {
        let (name, seconds) = line.trim().split_once(':')?;
        let counts = ["used_cpu_sys", "used_cpu_user"].contains(&name);
        counts.then(|| seconds.parse::<f64>().ok()).flatten()
    });
    ticks.sum::<f64>() / 100.0 + spent.sum::<f64>()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// How many cycles so many callers get through, and in which time.
async fn run<F>(callers: usize, cycle: impl Fn() -> F) -> (u32, Duration)
where
    F: Future<Output = ()> + Send + 'static,
{
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    let mut cycles = 0_u32;
    for _ in 0..callers {
        tasks.spawn(cycle());
    }
    while tasks.join_next().await.is_some() {
        cycles += 1;
        if begun.elapsed() < RUN {
            tasks.spawn(cycle());
        }
    }
    (cycles, begun.elapsed())
}

fn answer() -> StoredResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    StoredResponse::new(StatusCode::CREATED, &headers, &[b'x'; 250])
}

fn request() -> BeginRequest {
    let token = Token::random().unwrap();
    BeginRequest {
        key: RecordKey::derive(&[token.as_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token,
        lease: Duration::from_secs(60),
        retention: DAY,
        orphan: OrphanPolicy::ReExecute,
    }
}

async fn cycle(store: RedisStore) {
    let Begin::Acquired(claim) = store.begin(request()).await.unwrap() else {
        panic!("taken");
    };
    let settled = store.complete(&claim, &answer(), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
}

async fn set(mut connection: MultiplexedConnection) {
    let request = request();
    let key = &request.key.as_bytes()[..];
    let mut claim = redis::cmd("SET");
    claim.arg(key).arg(&request.token.as_bytes()[..]);
    claim.arg("NX").arg("PX").arg(86_460_000_u64);
    let claimed = connection.send_packed_command(&claim).await.unwrap();
    assert_eq!(claimed, Value::Okay);
    let mut keep = redis::cmd("SET");
    keep.arg(key).arg(&answer().encoded()[..]);
    keep.arg("PX").arg(86_400_000_u64);
    let kept = connection.send_packed_command(&keep).await.unwrap();
    assert_eq!(kept, Value::Okay);
}

async fn script(mut connection: MultiplexedConnection) {
    let request = request();
    let key = &request.key.as_bytes()[..];
    let token = &request.token.as_bytes()[..];
    let mut claim = CLAIM.key(key);
    claim.arg(&request.fingerprint.as_bytes()[..]);
    claim.arg(token).arg(86_460_000_u64);
    let claimed: Value = claim.invoke_async(&mut connection).await.unwrap();
    assert_eq!(claimed, Value::Int(1));
    let mut keep = KEEP.key(key);
    keep.arg(token).arg(&answer().encoded()[..]);
    keep.arg(86_400_000_u64);
    let kept: Value = keep.invoke_async(&mut connection).await.unwrap();
    assert_eq!(kept, Value::Int(1));
}

async fn floor(mut connection: MultiplexedConnection) {
    let request = request();
    let key = &request.key.as_bytes()[..];
    let token = &request.token.as_bytes()[..];
    let mut claim = redis::pipe();
    claim.cmd("SET").arg(key).arg(token);
    claim.arg("NX").arg("GET").arg("PX").arg(86_460_000_u64);
    claim.cmd("PTTL").arg(key);
    let claimed = connection.send_packed_commands(&claim, 0, 2).await.unwrap();
    assert_eq!(claimed[0], Value::Nil);
    let mut keep = KEEP_IF_MINE.key(key);
    keep.arg(token).arg(&answer().encoded()[..]);
    keep.arg(86_400_000_u64);
    let kept: Value = keep.invoke_async(&mut connection).await.unwrap();
    assert_eq!(kept, Value::Int(1));
}

async fn replays(server: &Server, store: &RedisStore) -> u64 {
    let request = request();
    let Begin::Acquired(claim) = store.begin(request).await.unwrap() else {
        panic!("taken");
    };
    let settled = store.complete(&claim, &answer(), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    let mut trips = RoundTrips::of(server).await;
    let replayed = store.begin(request).await.unwrap();
    assert!(matches!(replayed, Begin::Completed { .. }));
    trips.taken().await
}
