//! Many processes, each with many tasks, want the same keys.

mod server;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use buttress_store_postgres::PostgresStore;
use http::{HeaderMap, StatusCode};
use server::Server;
use server::child::{self, Process, said, say};
use tokio::task::JoinSet;

const PROCESSES: u64 = 4;
const TASKS: u64 = 64;
const KEYS: u64 = 1000;
const LONG: Duration = Duration::from_mins(10);

/// No test of its own: what the other runs in processes of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_process_of_its_own() {
    let Some(orders) = child::orders() else {
        return;
    };
    let connections = NonZeroU32::MIN.saturating_add(7);
    let store = PostgresStore::connect(server::options(orders.port), connections);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            // A quarter of the keys each, so that 64 callers of four processes want each key. They
            // start at two places: some meet, and some come late.
            for step in 0..KEYS / 4 {
                let step = (step + task / 4 % 2 * KEYS / 8) % (KEYS / 4);
                execute(&store, 4 * step + task % 4).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn execute(store: &PostgresStore, key: u64) {
    let request = BeginRequest {
        key: RecordKey::derive(&[&key.to_be_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: LONG,
        retention: LONG,
        orphan: OrphanPolicy::ReExecute,
    };
    match store.begin(request).await.unwrap() {
        Begin::Acquired(claim) => {
            say(&format!("executed {key}"));
            let body = std::process::id().to_string();
            let answer = StoredResponse::new(StatusCode::OK, &HeaderMap::new(), body.as_bytes());
            let settled = store.complete(&claim, &answer, LONG).await.unwrap();
            assert_eq!(settled, Settled::Applied);
        }
        Begin::Completed { .. } | Begin::InProgress { .. } => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_4_processes_with_64_tasks_each_one_executes_each_of_1000_keys() {
    let server = Server::shared();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| Process::start("race", server.port(), 0))
        .collect();
    let mut executions: HashMap<u64, u32> = HashMap::new();
    let mut shares = Vec::new();
    for process in processes {
        let executed = said(&process.finish(), "executed");
        shares.push(executed.len());
        for key in executed {
            *executions.entry(key).or_default() += 1;
        }
    }
    println!("executions by process: {shares:?}");
    assert_eq!(executions.len(), usize::try_from(KEYS).unwrap());
    assert!(executions.values().all(|count| *count == 1));
    assert!(shares.iter().filter(|share| **share > 0).count() > 1);
}
