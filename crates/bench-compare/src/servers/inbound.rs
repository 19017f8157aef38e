//! One key, many requests at once: how often does the handler run?

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use axum_idempotent::{IdempotentLayer, IdempotentOptions};
use buttress_idempotency::IdempotencyKeyLayer;
use buttress_store::OrphanPolicy;
use buttress_store_memory::MemoryStore;
use ruts::store::Ttl;
use ruts::store::moka::MokaStore;
use ruts::{CookieOptions, Session, SessionLayer};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};
use tower_cookies::CookieManagerLayer;

use crate::wire::{Answer, Wire};
use bench_compare::failure::Failure;
use bench_compare::table::{By, Row, Section, Verdict};

const REQUESTS: usize = 50;
const ROUNDS: usize = 5;
/// How long the handler works: longer than it takes until all requests have arrived.
const WORK: Duration = Duration::from_millis(50);

/// Asks both.
pub(crate) fn section() -> Result<Section, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let rows = runtime.block_on(async {
        let ours = Shop::ours().await?.storm().await?;
        let theirs = Shop::theirs().await?.storm().await?;
        Ok::<_, Failure>(vec![
            ours.row("idempotency/50-at-once")
                .goal(Some(ours.verdict())),
            theirs.row("axum-idempotent::50-at-once"),
        ])
    })?;
    Ok(Section::new(
        "50 requests at once under one key",
        "over 50 connections, in each of 5 rounds with a key of its own; ours waits for the first \
               answer. axum-idempotent keeps its answers in a session (moka), has it established before, \
               and says itself that two requests at once can both reach the handler",
        rows,
    ))
}

/// A server, and how often its handler has run.
struct Shop {
    address: SocketAddr,
    runs: Arc<AtomicUsize>,
    cookie: String,
    server: JoinHandle<()>,
}

/// What became of a round.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    /// The most in a round.
    runs: usize,
    /// The most in a round.
    answers: usize,
    /// In all rounds.
    refused: usize,
}

impl Shop {
    async fn ours() -> Result<Self, Failure> {
        let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
            .single_tenant()
            .orphan_policy(OrphanPolicy::ReExecute)
            .wait(Duration::from_secs(10))
            .max_waiters(const { std::num::NonZeroUsize::new(REQUESTS).expect("some") })
            .build()?;
        let runs = Arc::default();
        let app = orders(&runs).route_layer(layer);
        Self::open(app, runs).await
    }

    async fn theirs() -> Result<Self, Failure> {
        let options = IdempotentOptions::default().use_idempotency_key_header(None, true);
        let sessions = SessionLayer::new(Arc::new(MokaStore::builder().build()))
            .with_cookie_options(
                CookieOptions::build()
                    .name("session")
                    .max_age(600)
                    .path("/"),
            );
        let login = post(|session: Session<MokaStore>| async move {
            let ttl = Ttl::new(600).expect("a positive number");
            let set = session.set("user", &String::from("7"), ttl, None).await;
            if set.is_ok() { "welcome" } else { "sorry" }
        });
        let runs = Arc::default();
        let app = orders(&runs)
            .route_layer(IdempotentLayer::<MokaStore>::new(options))
            .route("/login", login)
            .layer(sessions)
            .layer(CookieManagerLayer::new());
        let mut shop = Self::open(app, runs).await?;
        let mut wire = Wire::connect(shop.address).await?;
        let welcome = wire.send(&request("/login", "", "")).await?;
        let cookie = welcome.header("set-cookie").ok_or("no session")?;
        cookie
            .split(';')
            .next()
            .unwrap_or_default()
            .clone_into(&mut shop.cookie);
        Ok(shop)
    }

    async fn open(app: Router, runs: Arc<AtomicUsize>) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            // It ends with this task.
            let _ = axum::serve(listener, app).await;
        });
        let cookie = String::new();
        Ok(Self {
            address,
            runs,
            cookie,
            server,
        })
    }

    /// All rounds.
    async fn storm(self) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        for round in 0..ROUNDS {
            self.runs.store(0, Ordering::SeqCst);
            let answers = self.at_once(&format!("key-{round}")).await?;
            let good = answers.iter().filter(|answer| answer.status == 200);
            let distinct: BTreeSet<&str> = good.map(|answer| answer.body.as_str()).collect();
            outcome.runs = outcome.runs.max(self.runs.load(Ordering::SeqCst));
            outcome.answers = outcome.answers.max(distinct.len());
            outcome.refused += answers.iter().filter(|answer| answer.status != 200).count();
        }
        self.server.abort();
        Ok(outcome)
    }

    async fn at_once(&self, key: &str) -> Result<Vec<Answer>, Failure> {
        let start = Arc::new(Barrier::new(REQUESTS));
        let mut tasks = JoinSet::new();
        for _ in 0..REQUESTS {
            let mut wire = Wire::connect(self.address).await?;
            let request = request("/orders", key, &self.cookie);
            let start = Arc::clone(&start);
            tasks.spawn(async move {
                start.wait().await;
                wire.send(&request).await
            });
        }
        tasks.join_all().await.into_iter().collect()
    }
}

impl Outcome {
    #[allow(clippy::cast_precision_loss, reason = "at most 50 in each round")]
    fn row(self, case: &str) -> Row {
        Row::new(case, "")
            .figure("handler runs", self.runs as f64)
            .figure("different answers", self.answers as f64)
            .figure("refused", self.refused as f64)
    }

    fn verdict(self) -> Verdict {
        Verdict {
            goal: "1 run of the handler, 1 answer for all".into(),
            measured: format!("{} runs, {} answers", self.runs, self.answers),
            met: self.runs == 1 && self.answers == 1 && self.refused == 0,
            by: By::Figure("handler runs".into()),
        }
    }
}

/// A router whose one handler counts how often it runs.
fn orders(runs: &Arc<AtomicUsize>) -> Router {
    let runs = Arc::clone(runs);
    let order = move || async move {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(WORK).await;
        format!("order {run}")
    };
    Router::new().route("/orders", post(order))
}

fn request(path: &str, key: &str, cookie: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: 3\r\n\
         idempotency-key: {key}\r\ncookie: {cookie}\r\n\r\ntea"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ours_runs_the_handler_once_and_gives_everybody_its_answer() {
        let outcome = Shop::ours().await.unwrap().storm().await.unwrap();
        assert!(outcome.verdict().met, "{outcome:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_rival_is_set_up_so_that_it_replays() {
        let shop = Shop::theirs().await.unwrap();
        let mut wire = Wire::connect(shop.address).await.unwrap();
        let request = request("/orders", "a-key", &shop.cookie);
        let first = wire.send(&request).await.unwrap();
        let second = wire.send(&request).await.unwrap();
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
        assert_eq!((first.status, &first.body), (second.status, &second.body));
        assert_eq!(shop.runs.load(Ordering::SeqCst), 1);
    }
}
