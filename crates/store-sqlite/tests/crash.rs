//! A process is killed; what was acknowledged is there when the next one opens the file.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Resolution,
    Settled, StoreErrorKind, StoredResponse, Token,
};
use buttress_store_sqlite::{Locked, LostCommits, SqliteStore};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

const ROLE: &str = "STORE_SQLITE_CHILD_ROLE";
const FILE: &str = "STORE_SQLITE_CHILD_FILE";
const FIRST: &str = "STORE_SQLITE_CHILD_FIRST";

/// Longer than any test: nothing here waits for a lease to end.
const LEASE: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn request(key: u64, orphan: OrphanPolicy) -> BeginRequest {
    BeginRequest {
        key: RecordKey::derive(&[&key.to_be_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: LEASE,
        retention: DAY,
        orphan,
    }
}

/// Of a size that differs from key to key, up to several pages.
fn answer(key: u64) -> StoredResponse {
    let size = usize::try_from(key * 7919 % 9000).unwrap();
    let body: Vec<u8> = key.to_be_bytes().into_iter().cycle().take(size).collect();
    StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), &body)
}

/// No test of its own: what the others run in a process that they kill.
#[test]
fn in_a_process_of_its_own() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let file = std::env::var(FILE).unwrap();
    let first = std::env::var(FIRST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(file).await.unwrap();
        say("open");
        match role.as_str() {
            "re-execute" => hold(&store, first, OrphanPolicy::ReExecute).await,
            "refuse" => hold(&store, first, OrphanPolicy::Refuse).await,
            "work" => work(&store, first),
            _ => {}
        }
        std::future::pending::<()>().await;
    });
}

async fn hold(store: &SqliteStore, key: u64, orphan: OrphanPolicy) {
    let begun = store.begin(request(key, orphan)).await.unwrap();
    assert!(matches!(begun, Begin::Acquired(_)), "{begun:?}");
    say("begun");
}

fn work(store: &SqliteStore, first: u64) {
    for caller in 0..16 {
        let store = store.clone();
        tokio::spawn(async move {
            for step in 0.. {
                let key = first + caller + 16 * step;
                let orphan = if key.is_multiple_of(2) {
                    OrphanPolicy::ReExecute
                } else {
                    OrphanPolicy::Refuse
                };
                let begun = store.begin(request(key, orphan)).await.unwrap();
                let Begin::Acquired(claim) = begun else {
                    panic!("{begun:?}");
                };
                say(&format!("begun {key}"));
                let settled = store.complete(&claim, &answer(key), DAY).await.unwrap();
                assert_eq!(settled, Settled::Applied);
                say(&format!("completed {key}"));
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
    fn start(role: &str, file: &Path, first: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_process_of_its_own", "--nocapture"])
            .env(ROLE, role)
            .env(FILE, file)
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, lines };
        process.wait_for("@open");
        process
    }

    fn wait_for(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "child ended");
        }
    }

    /// The next so many things that it says.
    fn listen(&mut self, count: u64) -> String {
        let mut text = String::new();
        let mut heard = 0;
        while heard < count {
            let start = text.len();
            assert_ne!(self.lines.read_line(&mut text).unwrap(), 0, "child ended");
            heard += u64::from(text[start..].starts_with('@'));
        }
        text
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

fn said(text: &str, verb: &str) -> BTreeSet<u64> {
    // The last line may be torn.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole
        .lines()
        .filter_map(|line| {
            line.strip_prefix('@')?
                .strip_prefix(verb)?
                .trim()
                .parse()
                .ok()
        })
        .collect()
}

#[tokio::test]
async fn a_claim_of_a_killed_process_is_executed_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let mut process = Process::start("re-execute", &file, 1);
    process.wait_for("@begun");
    process.kill();

    let store = SqliteStore::open(&file).await.unwrap();
    let begun = store.begin(request(1, OrphanPolicy::ReExecute)).await;
    let Begin::Acquired(claim) = begun.unwrap() else {
        panic!("a dead owner's lease lives on");
    };
    assert_eq!(claim.execution(), 2);
}

#[tokio::test]
async fn a_claim_of_a_killed_process_is_unknown_at_once_under_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let mut process = Process::start("refuse", &file, 1);
    process.wait_for("@begun");
    process.kill();

    let claim = request(1, OrphanPolicy::Refuse);
    for _ in 0..2 {
        let store = SqliteStore::open(&file).await.unwrap();
        let found = store.begin(request(1, OrphanPolicy::Refuse)).await.unwrap();
        assert_eq!(found, Begin::OutcomeUnknown);
        let unknowns = store.unknowns(None, NonZeroUsize::MAX).await.unwrap();
        assert_eq!(unknowns.len(), 1);
        assert_eq!(unknowns[0].key(), &claim.key);
        assert_eq!(unknowns[0].execution(), 1);
        store.close().await.unwrap();
    }
    let store = SqliteStore::open(&file).await.unwrap();
    let resolution = Resolution::Completed {
        response: answer(1),
        retention: DAY,
    };
    let adopted = store.adopt(&claim.key, &resolution).await.unwrap();
    assert_eq!(adopted, Settled::Applied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_hundred_kills_everything_acknowledged_is_there_and_nothing_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut acknowledged = BTreeSet::new();
    for kill in 0..100_u64 {
        let first = kill * 1_000_000;
        let mut process = Process::start("work", &file, first);
        // After so many words and a moment more, however slow the machine is.
        let mut text = process.listen(kill * 7 % 40);
        tokio::time::sleep(Duration::from_micros(kill * 7919 % 5_000)).await;
        text.push_str(&process.kill());
        let (begun, completed) = (said(&text, "begun"), said(&text, "completed"));

        // Opening checks every row against its checksum.
        let store = SqliteStore::open(&file).await.unwrap();
        for key in &begun {
            let orphan = if key.is_multiple_of(2) {
                OrphanPolicy::ReExecute
            } else {
                OrphanPolicy::Refuse
            };
            let state = match store.begin(request(*key, orphan)).await.unwrap() {
                Begin::Completed { response, .. } => {
                    assert_eq!(response, answer(*key));
                    if completed.contains(key) {
                        "completed, and said so"
                    } else {
                        "completed, not yet said"
                    }
                }
                other if completed.contains(key) => panic!("{key} lost: {other:?}"),
                Begin::Acquired(claim) => {
                    assert_eq!((claim.execution(), orphan), (2, OrphanPolicy::ReExecute));
                    "in progress, executed again"
                }
                Begin::OutcomeUnknown => {
                    assert_eq!(orphan, OrphanPolicy::Refuse);
                    "in progress, unknown"
                }
                other => panic!("{key}: {other:?}"),
            };
            *states.entry(state).or_default() += 1;
        }
        acknowledged.extend(completed);
        store.close().await.unwrap();
    }
    println!("states at 100 kills: {states:#?}");
    assert!(states["completed, and said so"] > 100, "{states:?}");
    assert!(states["in progress, unknown"] > 10, "{states:?}");

    let store = SqliteStore::open(&file).await.unwrap();
    for key in acknowledged {
        let found = store
            .begin(request(key, OrphanPolicy::Refuse))
            .await
            .unwrap();
        let Begin::Completed { response, .. } = found else {
            panic!("{key} lost: {found:?}");
        };
        assert_eq!(response, answer(key));
    }
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_file_and_gets_it_after_the_first_died() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    let first = Process::start("idle", &file, 0);

    let wait = Duration::from_millis(150);
    let begun = Instant::now();
    let refused = SqliteStore::builder(&file).lock_wait(wait).open().await;
    let took = begun.elapsed();
    let error = refused.unwrap_err();
    let locked = std::error::Error::source(&error).unwrap();
    let locked = locked.downcast_ref::<Locked>().unwrap();
    assert_eq!(locked.process(), Some(first.child.id()));
    assert!(
        took >= wait && took < wait + Duration::from_secs(5),
        "{took:?}"
    );

    // One that waits is let in as soon as the first is dead.
    let (opened, ()) = tokio::join!(SqliteStore::open(&file), async {
        tokio::time::sleep(wait).await;
        first.kill();
    });
    opened.unwrap();
}

/// What a killed process left behind.
struct Remains {
    database: Vec<u8>,
    log: Vec<u8>,
    lock: Vec<u8>,
    acknowledged: BTreeSet<u64>,
}

impl Remains {
    /// Of a process that was killed at work, after so many answers.
    fn after(answers: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.db");
        let mut process = Process::start("work", &file, 0);
        let mut text = String::new();
        while said(&text, "completed").len() < answers {
            text.push_str(&process.listen(1));
        }
        text.push_str(&process.kill());
        Self {
            database: std::fs::read(&file).unwrap(),
            log: std::fs::read(dir.path().join("store.db-wal")).unwrap(),
            lock: std::fs::read(dir.path().join("store.db.lock")).unwrap(),
            acknowledged: said(&text, "completed"),
        }
    }

    /// Puts them in a directory, with this log.
    fn lay_out(&self, log: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.db");
        std::fs::write(&file, &self.database).unwrap();
        std::fs::write(dir.path().join("store.db-wal"), log).unwrap();
        std::fs::write(dir.path().join("store.db.lock"), &self.lock).unwrap();
        (dir, file)
    }

    /// With this log the store either says that acknowledged answers are lost, or has them all.
    /// True: it has them.
    async fn is_whole_with(&self, log: &[u8]) -> bool {
        let (_dir, file) = self.lay_out(log);
        let store = match SqliteStore::open(&file).await {
            Ok(store) => store,
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Corrupt);
                let source = std::error::Error::source(&error).unwrap();
                let lost = source.downcast_ref::<LostCommits>().unwrap();
                assert!(lost.found() < lost.acknowledged());
                return false;
            }
        };
        for key in &self.acknowledged {
            let found = store.begin(request(*key, OrphanPolicy::Refuse)).await;
            match found.unwrap() {
                Begin::Completed { response, .. } => assert_eq!(response, answer(*key)),
                other => panic!("{key} is lost, and nobody says so: {other:?}"),
            }
        }
        store.close().await.unwrap();
        true
    }
}

/// Numbers that look random and are the same each time.
fn dice() -> impl FnMut(usize) -> usize {
    let mut state = 1_u64;
    move |end| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % end
    }
}

#[tokio::test]
async fn a_torn_end_of_the_log_is_mended_and_an_acknowledged_answer_is_missed() {
    let remains = Remains::after(60);
    let log = &remains.log;
    assert!(remains.is_whole_with(log).await);
    // What came after the last commit, and half a frame of it.
    let torn = [log.as_slice(), &log[log.len() - 3000..]].concat();
    assert!(remains.is_whole_with(&torn).await);

    let (mut whole, mut missed, mut dice) = (0, 0, dice());
    for round in 0..40 {
        let cut = if round < 20 {
            // Around the ends of frames.
            dice(20) * 4120 + dice(3)
        } else {
            dice(log.len())
        };
        let left = log.len().saturating_sub(cut);
        if remains.is_whole_with(&log[..left]).await {
            whole += 1;
        } else {
            missed += 1;
        }
    }
    println!("{whole} cuts without loss, {missed} with");
    assert!(whole > 0 && missed > 15);
}

#[tokio::test]
async fn a_flipped_bit_in_the_log_hides_no_acknowledged_answer() {
    let remains = Remains::after(60);
    let (mut whole, mut missed, mut dice) = (0, 0, dice());
    for round in 0..96 {
        let byte = if round < 32 {
            round
        } else {
            dice(remains.log.len())
        };
        let mut log = remains.log.clone();
        log[byte] ^= 1 << dice(8);
        if remains.is_whole_with(&log).await {
            whole += 1;
        } else {
            missed += 1;
        }
    }
    println!("{whole} flips without loss, {missed} with");
    assert!(missed > 60, "{missed}");
}

#[tokio::test]
async fn a_log_that_is_gone_is_missed_until_its_loss_is_accepted() {
    let remains = Remains::after(20);
    assert!(!remains.is_whole_with(&[]).await);

    let (dir, file) = remains.lay_out(&[]);
    std::fs::remove_file(dir.path().join("store.db.lock")).unwrap();
    SqliteStore::open(&file).await.unwrap();
}

#[tokio::test]
async fn another_database_in_the_place_of_the_old_one_lacks_nothing() {
    let remains = Remains::after(20);
    let (dir, file) = remains.lay_out(&[]);
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(dir.path().join("store.db-wal")).unwrap();
    SqliteStore::open(&file).await.unwrap();
}
