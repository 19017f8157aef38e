//! The shop's processes, one after the other, on one store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buttress_classify::BoxError;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::browser::Browser;
use super::buyers::Address;
use super::process::Process;
use crate::checkout::shop::Status;

/// How often a process is asked what it has counted: what it counted after that dies with it.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How long a process lives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    /// So long from its start: perhaps it does not come to listen.
    FromStart(Duration),
    /// So long from when it listens.
    Open(Duration),
}

/// A shop that is killed and comes back.
#[derive(Debug)]
pub(super) struct Lives {
    arguments: Vec<String>,
    browser: Browser,
    url: watch::Sender<String>,
    process: Option<Process>,
    /// What the present process said last that it has counted.
    present: Status,
    /// What those before it had.
    past: Status,
}

impl Lives {
    /// A shop that is started with these arguments.
    pub(super) fn new(arguments: Vec<String>) -> Self {
        Self {
            arguments,
            browser: Browser::new(),
            // Nobody listens there.
            url: watch::Sender::new("http://127.0.0.1:9".to_owned()),
            process: None,
            present: Status::default(),
            past: Status::default(),
        }
    }

    /// Lives for so long, and is killed.
    pub(super) async fn live_and_die(&mut self, span: Span) -> Result<(), BoxError> {
        match span {
            Span::FromStart(span) => {
                let begun = timeout(span, self.begin()).await;
                if let Ok(begun) = begun {
                    begun?;
                }
            }
            Span::Open(span) => {
                self.begin().await?;
                let end = Instant::now() + span;
                while let Some(left) = end.checked_duration_since(Instant::now()) {
                    sleep(left.min(ASK_AGAIN)).await;
                    let _ = timeout(left, self.ask()).await;
                }
            }
        }
        self.die().await
    }

    /// Begins a life, and waits until it listens.
    pub(super) async fn begin(&mut self) -> Result<(), BoxError> {
        let process = Process::start(&self.arguments, &[])?;
        let url = self.process.insert(process).listens().await?;
        self.url.send_replace(url);
        Ok(())
    }

    /// Is killed.
    pub(super) async fn die(&mut self) -> Result<(), BoxError> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        self.past.add(&std::mem::take(&mut self.present));
        Ok(())
    }

    /// Ends in peace; returns what all processes have counted.
    pub(super) async fn end(mut self) -> Result<Status, BoxError> {
        self.ask().await?;
        if let Some(process) = self.process.take() {
            process.stop().await?;
        }
        self.past.add(&self.present);
        Ok(self.past)
    }

    /// Asks the present process what it has counted.
    pub(super) async fn ask(&mut self) -> Result<(), BoxError> {
        let url = format!("{}/status", *self.url.borrow());
        let page = self.browser.get(&url).await?;
        self.present = counted(&page.body);
        Ok(())
    }
}

/// The processes of a shop, side by side on one store; each is killed and comes back.
#[derive(Debug)]
pub(super) struct Shops(Vec<Lives>);

impl Shops {
    /// So many, each started with these arguments.
    pub(super) fn new(count: usize, arguments: &[String]) -> Self {
        Self((0..count).map(|_| Lives::new(arguments.to_vec())).collect())
    }

    /// Where one of them is, another one each time.
    pub(super) fn address(&self) -> Address {
        let urls: Vec<_> = self.0.iter().map(|lives| lives.url.subscribe()).collect();
        let turn = AtomicUsize::new(0);
        Address::new(move || {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            let url = urls.iter().cycle().nth(turn % urls.len().max(1));
            url.map_or_else(String::new, |url| url.borrow().clone())
        })
    }

    /// Each lives for a span of its own, and is killed.
    pub(super) async fn live_and_die(&mut self, mut span: impl FnMut() -> Span) -> Done {
        all(self.0.iter_mut().map(|lives| lives.live_and_die(span()))).await
    }

    /// Each begins a life, and listens.
    pub(super) async fn begin(&mut self) -> Done {
        all(self.0.iter_mut().map(Lives::begin)).await
    }

    /// Each is asked what it has counted.
    pub(super) async fn ask(&mut self) -> Done {
        all(self.0.iter_mut().map(Lives::ask)).await
    }

    /// Each is killed.
    pub(super) async fn die(&mut self) -> Done {
        all(self.0.iter_mut().map(Lives::die)).await
    }

    /// All end in peace; returns what they have counted.
    pub(super) async fn end(self) -> Result<Status, BoxError> {
        let mut counted = Status::default();
        for lives in self.0 {
            counted.add(&lives.end().await?);
        }
        Ok(counted)
    }
}

type Done = Result<(), BoxError>;

/// Side by side; the first failure is that of all.
async fn all(done: impl Iterator<Item = impl Future<Output = Done>>) -> Done {
    join_all(done).await.into_iter().collect()
}

/// What a process says that it has counted; nothing of the rows.
fn counted(status: &Value) -> Status {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let mut counted = Status {
        attempts: count(&status["attempts"]),
        reconciled: count(&status["reconciled"]),
        found: count(&status["found"]),
        driven_again: count(&status["driven_again"]),
        begun_anew: count(&status["begun_anew"]),
        ..Status::default()
    };
    let retries = status["retries"].as_object().into_iter().flatten();
    counted.retries = retries
        .map(|(name, times)| (name.clone(), count(times)))
        .collect();
    counted.breaker.refused = count(&status["breaker"]["refused"]);
    counted.breaker.transitions = count(&status["breaker"]["transitions"]);
    counted
}
