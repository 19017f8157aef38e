//! Processes that race, and processes that are killed, client and server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use buttress_store::{Begin, BeginRequest, IdempotencyStore, OrphanPolicy, Settled};
use buttress_store_redis::RedisStore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::Server;
use crate::support::requests::{DAY, answer, claim, found, is_in_progress, refusing, request};

mod support;

const ROLE: &str = "STORE_REDIS_CHILD_ROLE";
const URL: &str = "STORE_REDIS_CHILD_URL";
const FIRST: &str = "STORE_REDIS_CHILD_FIRST";

const KEYS: usize = 1000;
const TASKS: usize = 64;
const PROCESSES: usize = 4;

/// Of those whose end is waited for.
const SHORT: Duration = Duration::from_secs(1);

/// No test of its own: what the others run in a process of its own.
#[test]
fn in_a_process_of_its_own() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let url = std::env::var(URL).unwrap();
    let first = std::env::var(FIRST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = RedisStore::connect(url).await.unwrap();
        say("open");
        match role.as_str() {
            "race" => race(&store).await,
            "hold" => hold(&store).await,
            "work" => work(&store, first),
            _ => {}
        }
        std::future::pending::<()>().await;
    });
}

async fn race(store: &RedisStore) {
    // All start at once.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            // Every key is begun by 16 tasks of each process. Each starts elsewhere, so that some meet
            // and some come late.
            for key in (task % 4..KEYS).step_by(4) {
                let key = (key + task / 16 * 8) % KEYS;
                match store.begin(request(&key.to_string())).await.unwrap() {
                    Begin::Acquired(held) => {
                        say(&format!("ran {key}"));
                        let kept = store.complete(&held, &answer(&key.to_string()), DAY).await;
                        assert_eq!(kept.unwrap(), Settled::Applied);
                    }
                    Begin::Completed { response, .. } => {
                        assert_eq!(response, answer(&key.to_string()));
                    }
                    Begin::InProgress { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    tasks.join_all().await;
    say("done");
}

async fn hold(store: &RedisStore) {
    for request in [request("lenient"), refusing("strict")] {
        let _held = claim(
            store,
            BeginRequest {
                lease: SHORT,
                ..request
            },
        )
        .await;
    }
    say("begun");
}

fn policy(key: u64) -> OrphanPolicy {
    if key.is_multiple_of(2) {
        OrphanPolicy::ReExecute
    } else {
        OrphanPolicy::Refuse
    }
}

/// Of a size that differs from key to key.
fn body(key: u64) -> String {
    key.to_string()
        .repeat(usize::try_from(key * 7919 % 900).unwrap())
}

fn work(store: &RedisStore, first: u64) {
    for caller in 0..16 {
        let store = store.clone();
        tokio::spawn(async move {
            for step in 0.. {
                let key = first + caller + 16 * step;
                let begun = BeginRequest {
                    orphan: policy(key),
                    ..request(&key.to_string())
                };
                // The server is killed as well: whoever is not sure has not begun.
                let Ok(Begin::Acquired(held)) = store.begin(begun).await else {
                    sleep(Duration::from_millis(5)).await;
                    continue;
                };
                say(&format!("begun {key}"));
                if let Ok(kept) = store.complete(&held, &answer(&body(key)), DAY).await {
                    assert_ne!(kept, Settled::Lost);
                    say(&format!("completed {key}"));
                }
            }
        });
    }
}

/// One write, so that a kill tears the last line at most.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, server: &Server, first: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_process_of_its_own", "--nocapture"])
            .env(ROLE, role)
            .env(URL, server.url())
            .env(FIRST, first.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, lines };
        process.wait_for("@open");
        process
    }

    fn go(&mut self) {
        let mut stdin = self.child.stdin.take().unwrap();
        stdin.write_all(b"go\n").unwrap();
    }

    /// Everything that was said until then.
    fn wait_for(&mut self, wanted: &str) -> String {
        let (mut said, mut line) = (String::new(), String::new());
        while line.trim() != wanted {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "child ended");
            said.push_str(&line);
        }
        said
    }

    /// SIGKILL; then everything it had said.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = Vec::new();
        self.lines.read_to_end(&mut said).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(text: &str, verb: &str) -> Vec<u64> {
    // The last line may be torn.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let said = whole.lines().filter_map(|line| {
        let number = line.strip_prefix('@')?.strip_prefix(verb)?.trim();
        number.parse().ok()
    });
    said.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_processes_with_64_tasks_each_one_executes_each_of_1000_keys() {
    let server = Server::start().await;
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|_| Process::start("race", &server, 0))
        .collect();
    for process in &mut processes {
        process.go();
    }
    let mut runs = Vec::new();
    let mut shares = Vec::new();
    for process in &mut processes {
        let ran = said(&process.wait_for("@done"), "ran");
        shares.push(ran.len());
        runs.extend(ran);
    }
    println!("runs of each process: {shares:?}");
    let keys: BTreeSet<_> = runs.iter().collect();
    assert_eq!(keys.len(), KEYS, "not every key ran");
    assert_eq!(runs.len(), KEYS, "a key ran twice");
}

#[tokio::test]
async fn a_claim_of_a_killed_process_ends_with_its_lease() {
    let server = Server::start().await;
    let mut process = Process::start("hold", &server, 0);
    process.wait_for("@begun");
    process.kill();

    let store = RedisStore::connect(server.url()).await.unwrap();
    assert!(is_in_progress(
        &store.begin(request("lenient")).await.unwrap()
    ));
    for name in ["lenient", "strict"] {
        store.wait(&request(name).key, SHORT * 20).await.unwrap();
    }
    // It may or may not have done its work: who may repeat it does, who may not is told.
    assert_eq!(claim(&store, request("lenient")).await.execution(), 2);
    for _ in 0..2 {
        let begun = store.begin(refusing("strict")).await.unwrap();
        assert_eq!(begun, Begin::OutcomeUnknown);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_hundred_kills_of_clients_a_record_is_in_progress_or_whole() {
    let server = Server::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let mut states = BTreeMap::new();
    for kill in 0..100 {
        let process = Process::start("work", &server, kill * 1_000_000);
        sleep(Duration::from_micros(500 + kill * 7919 % 20_000)).await;
        check(&store, &process.kill(), &mut states).await;
    }
    println!("states at 100 kills of clients: {states:?}");
    assert!(states["completed, and said so"] > 100, "{states:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_file_synced_always_nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let mut server = Server::durable().await;
    let mut states = BTreeMap::new();
    let mut acknowledged = Vec::new();
    for kill in 0..12 {
        let process = Process::start("work", &server, kill * 1_000_000);
        sleep(Duration::from_micros(20_000 + kill * 7919 % 100_000)).await;
        // Under load, and the client keeps on trying meanwhile.
        server.restart().await;
        sleep(Duration::from_millis(20)).await;
        let text = process.kill();
        let store = RedisStore::connect(server.url()).await.unwrap();
        check(&store, &text, &mut states).await;
        acknowledged.extend(said(&text, "completed"));
    }
    let store = RedisStore::connect(server.url()).await.unwrap();
    for key in &acknowledged {
        assert_eq!(found(&store, &key.to_string()).await, answer(&body(*key)));
    }
    println!(
        "states at 12 kills of the server: {states:?}, {} answers there",
        acknowledged.len()
    );
    assert!(states["completed, and said so"] > 100, "{states:?}");
}

/// What was begun is in progress, or has its whole answer; what was acknowledged has it.
async fn check(store: &RedisStore, text: &str, states: &mut BTreeMap<&str, usize>) {
    let completed: BTreeSet<_> = said(text, "completed").into_iter().collect();
    for key in said(text, "begun") {
        let name = key.to_string();
        let state = match store.begin(request(&name)).await.unwrap() {
            Begin::Completed { response, .. } => {
                assert_eq!(response, answer(&body(key)), "{key} is torn");
                if completed.contains(&key) {
                    "completed, and said so"
                } else {
                    "completed, not yet said"
                }
            }
            other if completed.contains(&key) => panic!("{key} lost: {other:?}"),
            Begin::InProgress { .. } => "in progress",
            other => panic!("{key}: {other:?}"),
        };
        *states.entry(state).or_default() += 1;
    }
}
