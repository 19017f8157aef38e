//! Begin and complete cycles per second, against two round trips by hand on the same client library,
//! all in turns on one server of its own: `cargo bench -p buttress-store-redis`.
//!
//! By hand is what a shop without a store would write: `SET .. NX PX` to claim, `SET .. PX` to keep the
//! answer. It compares no token and no fingerprint. The second rival runs two scripts that do, on the
//! same multiplexed connection.

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

use crate::support::Server;

#[path = "../tests/support/mod.rs"]
mod support;

const DAY: Duration = Duration::from_hours(24);
const RUN: Duration = Duration::from_millis(400);
const ROUNDS: usize = 9;

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

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::start().await;
        let client = redis::Client::open(server.url()).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let store = RedisStore::connect(server.url()).await.unwrap();
        println!("callers  plain SETs/s  scripts by hand/s  ours/s  of SETs  of scripts");
        for callers in [1, 64] {
            let mut rates = [Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                let [plain, scripts, ours] = &mut rates;
                plain.push(run(callers, || set(connection.clone())).await);
                scripts.push(run(callers, || script(connection.clone())).await);
                ours.push(run(callers, || cycle(store.clone())).await);
                server.cli(&["FLUSHALL"]);
            }
            // Of each round its ratio, for the rounds are of one moment each.
            let ratio = |rival: usize| {
                let pairs = rates[2].iter().zip(&rates[rival]);
                median(pairs.map(|(ours, by_hand)| ours / by_hand).collect())
            };
            let (of_sets, of_scripts) = (ratio(0), ratio(1));
            let [plain, scripts, ours] = rates.map(median);
            println!(
                "{callers:7}  {plain:12.0}  {scripts:17.0}  {ours:6.0}  {of_sets:7.2}  {of_scripts:10.2}"
            );
        }
        let replays = replays(&server, &store).await;
        println!("round trips of a replay: {replays}");
    });
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// How many cycles a second so many callers get through.
async fn run<F: Future<Output = ()> + Send + 'static>(callers: usize, cycle: impl Fn() -> F) -> f64
where
    F: Future,
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
    f64::from(cycles) / begun.elapsed().as_secs_f64()
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
        lease: Duration::from_mins(1),
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

async fn replays(server: &Server, store: &RedisStore) -> u64 {
    let request = request();
    let Begin::Acquired(claim) = store.begin(request).await.unwrap() else {
        panic!("taken");
    };
    let settled = store.complete(&claim, &answer(), DAY).await.unwrap();
    assert_eq!(settled, Settled::Applied);
    let asked = || server.calls("evalsha") + server.calls("eval");
    let before = asked();
    let replayed = store.begin(request).await.unwrap();
    assert!(matches!(replayed, Begin::Completed { .. }));
    asked() - before
}
