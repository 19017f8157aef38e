//! Begin and complete cycles per second, against two statements written by hand: an insert that does
//! nothing on conflict, and an update, on a table of the same shape, through the same pool. On a
//! server of its own with every commit synced: `cargo bench -p buttress-store-postgres`.

#[path = "../tests/server/mod.rs"]
mod server;

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use buttress_store_postgres::PostgresStore;
use http::{HeaderMap, HeaderValue, StatusCode};
use server::Server;
use sqlx::postgres::PgPool;
use tokio::task::JoinSet;
use tokio::time::Instant;

const DAY: Duration = Duration::from_hours(24);
const RUN: Duration = Duration::from_millis(500);
const ROUNDS: usize = 15;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(compare());
}

async fn compare() {
    let connections = NonZeroU32::MIN.saturating_add(15);
    let store = PostgresStore::connect(Server::shared().options(), connections);
    let create = "CREATE TABLE by_hand (LIKE buttress_idempotency INCLUDING ALL)";
    let create = sqlx::raw_sql(create).execute(store.pool()).await;
    create.unwrap();
    println!("callers  by hand/s  ours/s  ratio  ratio without prepared statements");
    for callers in [1, 16] {
        let (mut by_hand, mut ours, mut unprepared) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            by_hand.push(run_by_hand(store.pool(), callers).await);
            ours.push(run_ours(&store, callers).await);
            unprepared.push(run_ours(&store.clone().unprepared(), callers).await);
        }
        let ratio = |rates: &[f64]| {
            let pairs = rates.iter().zip(&by_hand);
            median(pairs.map(|(ours, by_hand)| ours / by_hand).collect())
        };
        println!(
            "{callers:7}  {:9.0}  {:6.0}  {:5.2}  {:5.2}",
            median(by_hand.clone()),
            median(ours.clone()),
            ratio(&ours),
            ratio(&unprepared)
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn answer() -> StoredResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    StoredResponse::new(StatusCode::CREATED, &headers, &[b'x'; 250])
}

async fn run_ours(store: &PostgresStore, callers: usize) -> f64 {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let store = store.clone();
        tasks.spawn(async move {
            let (answer, mut cycles) = (answer(), 0_u32);
            while begun.elapsed() < RUN {
                let token = Token::random().unwrap();
                let request = BeginRequest {
                    key: RecordKey::derive(&[token.as_bytes()]),
                    fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
                    token,
                    lease: Duration::from_mins(1),
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
    f64::from(cycles) / begun.elapsed().as_secs_f64()
}

async fn run_by_hand(pool: &PgPool, callers: usize) -> f64 {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let pool = pool.clone();
        tasks.spawn(async move {
            let (answer, mut cycles) = (answer(), 0_u32);
            while begun.elapsed() < RUN {
                let token = Token::random().unwrap();
                let key = RecordKey::derive(&[token.as_bytes()]);
                let inserted = sqlx::query(
                    "INSERT INTO by_hand (key, version, fingerprint, token, execution, begun,
                        lease_end, retention, refuse, due)
                     VALUES ($1, 1, $2, $3, 1, now(), now() + interval '1 minute', $4, false,
                        now() + interval '1 day')
                     ON CONFLICT (key) DO NOTHING",
                )
                .bind(&key.as_bytes()[..])
                .bind(&[1_u8; Fingerprint::LEN][..])
                .bind(&token.as_bytes()[..])
                .bind(86_400_000_000_i64)
                .execute(&pool)
                .await
                .unwrap();
                assert_eq!(inserted.rows_affected(), 1);
                let updated = sqlx::query(
                    "UPDATE by_hand SET response = $3, lease_end = NULL,
                        due = now() + interval '1 day'
                     WHERE key = $1 AND token = $2 AND response IS NULL",
                )
                .bind(&key.as_bytes()[..])
                .bind(&token.as_bytes()[..])
                .bind(&answer.encoded()[..])
                .execute(&pool)
                .await
                .unwrap();
                assert_eq!(updated.rows_affected(), 1);
                cycles += 1;
            }
            cycles
        });
    }
    let cycles: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(cycles) / begun.elapsed().as_secs_f64()
}
