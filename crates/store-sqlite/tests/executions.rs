//! A server that executes requests with a key on a SQLite file, and is killed. What its handler does
//! to the world is a line in a file of its own, so that executions are counted apart from records.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use buttress_idempotency::{Execution, IdempotencyKeyLayer, Inbound, Received, Recorded};
use buttress_key::DerivationSecret;
use buttress_store::{IdempotencyStore, OrphanPolicy, Resolution, StoredResponse};
use buttress_store_sqlite::SqliteStore;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

const ROLE: &str = "STORE_SQLITE_SERVER_ROLE";
const DIRECTORY: &str = "STORE_SQLITE_SERVER_DIRECTORY";
const POLICY: &str = "STORE_SQLITE_SERVER_POLICY";

const KEYS: usize = 400;
const KILLS: usize = 30;

fn layer(store: SqliteStore, policy: OrphanPolicy) -> IdempotencyKeyLayer<Inbound> {
    IdempotencyKeyLayer::inbound(store)
        .single_tenant()
        .orphan_policy(policy)
        .secret(DerivationSecret::new([7; 32]).unwrap())
        .build()
        .unwrap()
}

fn post(key: &str) -> Request<Full<Bytes>> {
    Request::post("/orders")
        .header("idempotency-key", key)
        .body(Full::from("order"))
        .unwrap()
}

/// Status and text.
async fn ask<S>(service: S, key: &str) -> (u16, String)
where
    S: Service<
            Request<Full<Bytes>>,
            Response = Response<Recorded<Full<Bytes>>>,
            Error = Infallible,
        >,
{
    let response = service.oneshot(post(key)).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The handler's effect, which is not idempotent, and outlives the process.
fn effect(directory: &Path, key: &str, execution: &Execution) -> String {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("effects"))
        .unwrap();
    let name = format!(
        "{key} {} {:?}",
        execution.number(),
        execution.token().as_bytes()
    );
    file.write_all(format!("{name}\n").as_bytes()).unwrap();
    name
}

/// The effects so far, by key.
fn effects(directory: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(directory.join("effects")).unwrap_or_default();
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for line in text.lines() {
        let key = line.split(' ').next().unwrap();
        found
            .entry(key.to_owned())
            .or_default()
            .push(line.to_owned());
    }
    found
}

/// One write, so that a kill tears the last line at most.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// No test of its own: what the others run in a process that they kill.
#[test]
fn in_a_process_of_its_own() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let directory = PathBuf::from(std::env::var(DIRECTORY).unwrap());
    let policy = match std::env::var(POLICY).unwrap().as_str() {
        "refuse" => OrphanPolicy::Refuse,
        _ => OrphanPolicy::ReExecute,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(directory.join("store.db")).await.unwrap();
        say("open");
        serve(role, directory, layer(store, policy)).await;
        say("done");
        std::future::pending::<()>().await;
    });
}

/// Two clients ask for each key, eight keys at a time.
async fn serve(role: String, directory: PathBuf, layer: IdempotencyKeyLayer<Inbound>) {
    let at = directory.clone();
    let service = layer.layer(tower::service_fn(
        move |request: Request<Received<Full<Bytes>>>| {
            let (role, directory) = (role.clone(), at.clone());
            async move {
                let execution = request.extensions().get::<Execution>().unwrap().clone();
                let key = execution.key().unwrap().as_str().to_owned();
                if role == "before the effect" {
                    say("begun");
                    std::future::pending::<()>().await;
                }
                let effect = effect(&directory, &key, &execution);
                say(&format!("effect {key}"));
                if role == "after the effect" {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_micros(
                    u64::from(execution.token().as_bytes()[0]) * 100,
                ))
                .await;
                let answer = Response::builder().status(201);
                Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(effect)).unwrap())
            }
        },
    ));
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..16 {
        let service = service.clone();
        tasks.spawn(async move {
            for key in (client / 2..KEYS).step_by(8) {
                let key = format!("k{key}");
                loop {
                    let (status, text) = ask(service.clone(), &key).await;
                    match status {
                        201 => say(&format!("answered {text}")),
                        409 if text.contains("outcome-unknown") => say(&format!("unknown {key}")),
                        409 => {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            continue;
                        }
                        other => panic!("{other}: {text}"),
                    }
                    break;
                }
            }
        });
    }
    tasks.join_all().await;
}

struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Server {
    fn start(role: &str, directory: &Path, policy: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_process_of_its_own", "--nocapture"])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .env(POLICY, policy)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let said = String::new();
        let mut server = Self { child, lines, said };
        server.listen(1);
        server
    }

    /// Listens to so many things, or until it is done. True: it is.
    fn listen(&mut self, count: usize) -> bool {
        let mut heard = 0;
        while heard < count {
            let start = self.said.len();
            assert_ne!(
                self.lines.read_line(&mut self.said).unwrap(),
                0,
                "child ended"
            );
            let line = &self.said[start..];
            if line.trim() == "@done" {
                return true;
            }
            heard += usize::from(line.starts_with('@'));
        }
        false
    }

    /// Listens until it says this, or is done. True: it is.
    fn listen_for(&mut self, verb: &str) -> bool {
        let count = |said: &str| said.matches(&format!("\n@{verb} ")).count();
        let before = count(&self.said);
        while count(&self.said) == before {
            if self.listen(1) {
                return true;
            }
        }
        false
    }

    /// SIGKILL; then everything it has said.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut rest = Vec::new();
        self.lines.read_to_end(&mut rest).unwrap();
        self.said.push_str(&String::from_utf8_lossy(&rest));
        // The last line may be torn.
        let whole = self.said.rfind('\n').map_or(0, |end| end + 1);
        self.said.truncate(whole);
        self.said
    }
}

fn said<'a>(text: &'a str, verb: &str) -> Vec<&'a str> {
    let heard = text.lines().filter_map(|line| line.strip_prefix('@'));
    heard
        .filter_map(|line| line.strip_prefix(verb)?.strip_prefix(' '))
        .collect()
}

fn key_of(effect: &str) -> &str {
    effect.split(' ').next().unwrap()
}

/// Kills a server again and again until all keys are answered, or given up as unknown.
fn live_through_kills(policy: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut answers = BTreeMap::<String, String>::new();
    let mut unknown = BTreeSet::new();
    // How many kills found each key executed and not answered.
    let mut hits = BTreeMap::<String, usize>::new();
    let mut states = BTreeMap::<&str, usize>::new();
    let mut before = BTreeMap::new();
    for life in 0.. {
        let mut server = Server::start("serve", dir.path(), policy);
        let enough = if life < KILLS {
            life * 7 % 23
        } else {
            usize::MAX
        };
        let done = server.listen(enough) || server.listen_for("effect");
        let text = server.kill();
        let mut answered = BTreeSet::new();
        for effect in said(&text, "answered") {
            let key = key_of(effect).to_owned();
            let first = answers
                .entry(key.clone())
                .or_insert_with(|| effect.to_owned());
            assert_eq!(first, effect, "a second answer");
            answered.insert(key);
        }
        unknown.extend(said(&text, "unknown").into_iter().map(str::to_owned));
        let written = effects(dir.path());
        for (key, effects) in &written {
            let before = before.get(key).map_or(0, Vec::len);
            if effects.len() == before {
                continue;
            }
            assert_eq!(effects.len(), before + 1, "{key} twice in one life");
            let state = if answered.contains(key) {
                "executed and answered"
            } else {
                *hits.entry(key.clone()).or_default() += 1;
                "executed, not yet answered"
            };
            *states.entry(state).or_default() += 1;
        }
        before = written;
        if done {
            break;
        }
    }
    println!("{policy}: {states:?}, {} unknown", unknown.len());
    assert_eq!(
        answers.len()
            + unknown
                .difference(&answers.keys().cloned().collect())
                .count(),
        KEYS
    );
    assert!(hits.len() > KILLS / 3, "the kills hit something: {hits:?}");

    for (key, effects) in before {
        let hit = hits.get(&key).copied().unwrap_or_default();
        if policy == "refuse" {
            assert_eq!(effects.len(), 1, "executed again: {effects:?}");
        } else {
            assert!(effects.len() <= 1 + hit, "{hit} kills hit {effects:?}");
        }
        if let Some(answer) = answers.get(&key) {
            assert_eq!(effects.last(), Some(answer), "executed after its answer");
        }
    }
}

#[test]
fn under_re_execute_only_a_kill_in_the_middle_makes_a_second_execution() {
    live_through_kills("re-execute");
}

#[test]
fn under_refuse_no_kill_makes_a_second_execution() {
    live_through_kills("refuse");
}

/// Killed by then, the server's first request is asked again of the next one.
async fn killed(
    role: &str,
    policy: OrphanPolicy,
) -> (tempfile::TempDir, SqliteStore, (u16, String)) {
    let dir = tempfile::tempdir().unwrap();
    let name = match policy {
        OrphanPolicy::Refuse => "refuse",
        OrphanPolicy::ReExecute => "re-execute",
    };
    let mut server = Server::start(role, dir.path(), name);
    // Those of eight keys at once; the first is among them.
    server.listen(8);
    server.kill();
    let store = SqliteStore::open(dir.path().join("store.db"))
        .await
        .unwrap();
    let path = dir.path().to_owned();
    let service = layer(store.clone(), policy).layer(tower::service_fn(
        move |request: Request<Received<Full<Bytes>>>| {
            let execution = request.extensions().get::<Execution>().unwrap();
            let effect = effect(&path, execution.key().unwrap().as_str(), execution);
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(effect))) }
        },
    ));
    let answer = ask(service, "k0").await;
    (dir, store, answer)
}

#[tokio::test]
async fn s61_killed_before_its_effect_a_request_takes_effect_once() {
    let (dir, _store, (status, text)) = killed("before the effect", OrphanPolicy::ReExecute).await;
    assert_eq!(status, 200);
    let effects = effects(dir.path());
    assert_eq!(effects["k0"], std::slice::from_ref(&text));
    // The handler is told that it is the second one.
    assert!(text.starts_with("k0 2 "), "{text}");
}

#[tokio::test]
async fn s62_killed_after_its_effect_a_request_takes_effect_again_under_re_execute() {
    let (dir, _store, (status, text)) = killed("after the effect", OrphanPolicy::ReExecute).await;
    assert_eq!(status, 200);
    let effects = effects(dir.path());
    assert_eq!(effects["k0"].len(), 2);
    assert!(text.starts_with("k0 2 "), "{text}");
}

#[tokio::test]
async fn s62_killed_after_its_effect_a_request_is_unknown_under_refuse_until_adopted() {
    let (dir, store, (status, text)) = killed("after the effect", OrphanPolicy::Refuse).await;
    assert_eq!(status, 409);
    assert!(text.contains("idempotency-outcome-unknown"), "{text}");
    assert_eq!(effects(dir.path())["k0"].len(), 1);

    // Whoever looked says what happened, and it is answered from then on.
    let resolution = Resolution::Completed {
        response: StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), b"looked up"),
        retention: Duration::from_mins(1),
    };
    let unknowns = store.unknowns(None, NonZeroUsize::MAX).await.unwrap();
    assert!(!unknowns.is_empty());
    for unknown in unknowns {
        let _settled = store.adopt(unknown.key(), &resolution).await.unwrap();
    }
    let service = layer(store, OrphanPolicy::Refuse).layer(tower::service_fn(
        |_: Request<Received<Full<Bytes>>>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("executed again")))
        },
    ));
    assert_eq!(ask(service, "k0").await, (201, "looked up".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s18_a_thousand_requests_through_two_handles_on_one_file_are_executed_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path().join("store.db"))
        .await
        .unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let services: Vec<_> = (0..2)
        .map(|_| {
            let runs = runs.clone();
            layer(store.clone(), OrphanPolicy::ReExecute).layer(tower::service_fn(
                move |_: Request<Received<Full<Bytes>>>| {
                    let run = runs.fetch_add(1, SeqCst) + 1;
                    async move {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!(
                            "run {run}"
                        ))))
                    }
                },
            ))
        })
        .collect();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let service = services[n % 2].clone();
        tasks.spawn(async move { ask(service, "k").await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(runs.load(SeqCst), 1);
    assert!(
        answers
            .iter()
            .any(|(status, text)| (*status, text.as_str()) == (200, "run 1"))
    );
    for (status, text) in answers {
        match status {
            200 => assert_eq!(text, "run 1"),
            409 => assert!(text.contains("idempotency-key-in-flight"), "{text}"),
            other => panic!("{other}: {text}"),
        }
    }
}
