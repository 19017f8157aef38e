//! Same-transaction mode: the effect on the database is exactly once, whatever is killed.

mod server;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, OrphanPolicy, RecordKey, Settled, StoredResponse, Token,
};
use buttress_store_postgres::PostgresStore;
use http::{HeaderMap, StatusCode};
use server::Server;
use server::child::{self, Process, said, say};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::time::Instant;

const DAY: Duration = Duration::from_hours(24);
/// What each client works on at once.
const CALLERS: u64 = 12;

const BACKENDS: usize = 470;
const CLIENTS: usize = 25;
const SERVERS: usize = 5;

fn key(number: u64) -> RecordKey {
    RecordKey::derive(&[&number.to_be_bytes()])
}

fn answer(number: u64) -> StoredResponse {
    let body = number.to_string();
    StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), body.as_bytes())
}

/// No test of its own: what the other runs in processes that it kills.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let Some(orders) = child::orders() else {
        return;
    };
    let options = server::options(orders.port).application_name("client");
    let store = PostgresStore::connect(options, NonZeroU32::MIN.saturating_add(11));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        tasks.spawn(async move {
            for step in 0.. {
                let number = orders.first + caller + CALLERS * step;
                // As a client that is not answered asks again, until it is.
                while execute(&store, number).await.is_none() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                say(&format!("done {number}"));
            }
        });
    }
    tasks.join_all().await;
}

/// `None`: it is not known whether it was done.
async fn execute(store: &PostgresStore, number: u64) -> Option<()> {
    let mut transaction = store.pool().begin().await.ok()?;
    let request = BeginRequest {
        key: key(number),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: Duration::from_secs(1),
        retention: DAY,
        orphan: OrphanPolicy::Refuse,
    };
    match store.begin_in(&mut transaction, &request).await.ok()? {
        Begin::Acquired(claim) => {
            let effect = sqlx::query("INSERT INTO effects VALUES ($1)");
            let effect = effect.bind(i64::try_from(number).unwrap());
            effect.execute(&mut *transaction).await.ok()?;
            let answer = answer(number);
            let settled = store.complete_in(&mut transaction, &claim, &answer, DAY);
            assert_eq!(settled.await.ok()?, Settled::Applied);
            transaction.commit().await.ok()
        }
        Begin::Completed { response, .. } => {
            assert_eq!(response, answer(number));
            Some(())
        }
        other => panic!("{number}: {other:?}"),
    }
}

async fn connect(server: &Server) -> PgConnection {
    PgConnection::connect_with(&server.options()).await.unwrap()
}

/// Terminates one backend of a client, whichever. False: none was there.
async fn kill_backend(connection: &mut PgConnection) -> bool {
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE application_name = 'client' AND state <> 'idle' ORDER BY random() LIMIT 1";
    let killed: Option<bool> = sqlx::query_scalar(kill)
        .fetch_optional(connection)
        .await
        .unwrap();
    killed == Some(true)
}

#[tokio::test]
async fn over_500_kills_each_effect_happens_exactly_once() {
    let begun = Instant::now();
    let server = Server::start();
    let mut connection = connect(&server).await;
    // No constraint keeps an effect from happening twice.
    let create = sqlx::raw_sql("CREATE TABLE effects (number bigint NOT NULL)");
    create.execute(&mut connection).await.unwrap();

    // Two clients at a time, and the same orders for both: they meet.
    let mut acknowledged = BTreeSet::new();
    let start = |first| Process::start("work", server.port(), first);
    let mut clients = [start(0), start(0)];
    let mut dice = fastrand::Rng::with_seed(7);
    let (mut backends, mut killed_clients, mut servers) = (0, 0, 0);
    while backends + killed_clients + servers < BACKENDS + CLIENTS + SERVERS {
        tokio::time::sleep(Duration::from_micros(dice.u64(0..10_000))).await;
        if kill_backend(&mut connection).await {
            backends += 1;
        }
        let due = |what: usize| backends * what / BACKENDS;
        if killed_clients < due(CLIENTS).min(CLIENTS) {
            let first = acknowledged
                .last()
                .map_or(0, |last: &u64| last.saturating_sub(3 * CALLERS));
            let client = std::mem::replace(&mut clients[killed_clients % 2], start(first));
            acknowledged.extend(said(&client.kill(), "done"));
            killed_clients += 1;
        }
        if servers < due(SERVERS).min(SERVERS) {
            server.kill();
            server.restart();
            connection = connect(&server).await;
            servers += 1;
        }
    }
    for client in clients {
        acknowledged.extend(said(&client.kill(), "done"));
    }

    // Whoever is still at work has been killed; its last statement may not have ended yet.
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'client'";
    while sqlx::query_scalar::<_, i64>(busy)
        .fetch_one(&mut connection)
        .await
        .unwrap()
        > 0
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let effects = sqlx::query_as("SELECT number, count(*) FROM effects GROUP BY number");
    let effects: Vec<(i64, i64)> = effects.fetch_all(&mut connection).await.unwrap();
    let twice: Vec<_> = effects.iter().filter(|(_, count)| *count != 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    let happened: BTreeSet<u64> = effects
        .iter()
        .map(|(number, _)| u64::try_from(*number).unwrap())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&happened).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");

    // Each record is completed and has its effect, and each effect its record.
    let records = sqlx::query_as("SELECT key, response FROM buttress_idempotency");
    let records: Vec<(Vec<u8>, Option<Vec<u8>>)> =
        records.fetch_all(&mut connection).await.unwrap();
    let records: BTreeSet<_> = records.into_iter().collect();
    let expected: BTreeSet<_> = happened
        .iter()
        .map(|number| {
            let response = answer(*number).encoded().to_vec();
            (key(*number).as_bytes().to_vec(), Some(response))
        })
        .collect();
    assert_eq!(records, expected);
    println!(
        "{backends} backends, {killed_clients} clients and {servers} servers killed in {:?}: \
         {} effects, {} acknowledged",
        begun.elapsed(),
        happened.len(),
        acknowledged.len()
    );
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
}
