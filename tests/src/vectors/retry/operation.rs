use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_body::ReplayBody;
use buttress_classify::{BoxError, Opinion, Verdict, find};
use buttress_deadline::Deadline;
use buttress_key::Profile;
use buttress_retry::{Attempts, Budget, Exhausted, Outcome, RetryLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde::Deserialize;
use tokio::time::{Instant, advance, sleep, timeout};
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::budget::Terms;
use super::schedule::{Schedule, bits, rounded};
use crate::vectors::runner::same;

/// Longer than any scenario goes on by itself.
const AFTERWARDS: Duration = Duration::from_secs(3_600);

/// A retry layer, and operations through it, one after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operations {
    #[serde(default)]
    config: Config,
    operations: Vec<Operation>,
}

/// What a scenario may set; times are milliseconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    attempts: NonZeroU32,
    schedule: Schedule,
    /// Where in its range each wait falls, from 0 to 1.
    random: f64,
    /// Without it there is no limit.
    budget: Option<Terms>,
    profile: Option<Promise>,
    within_ms: Option<u64>,
    max_hint_ms: u64,
    replay_cap: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Promise {
    StripeV1,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    /// Time that passes first.
    #[serde(default)]
    ms: u64,
    #[serde(default = "get")]
    method: String,
    /// The value of `Idempotency-Key`.
    key: Option<String>,
    #[serde(default)]
    body_bytes: usize,
    /// When the caller's time is over, from now.
    deadline_ms: Option<u64>,
    /// When the caller drops the call.
    drop_ms: Option<u64>,
    /// What the peer does with the attempts, in order.
    answers: Vec<Answer>,
    /// How many of them are made; all, if absent.
    attempts: Option<usize>,
    waits_ms: Option<Vec<u128>>,
    /// A status, or an error's name.
    result: Option<String>,
    stopped: Option<String>,
    outcome: Option<String>,
    /// What the budget could still pay.
    balance: Option<u64>,
}

/// A response, or an error.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    error: Option<Failure>,
    /// How long it takes.
    #[serde(default)]
    ms: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failure {
    /// An open circuit further in.
    Open,
    /// Nobody listens: nothing was sent.
    Refused,
    /// The connection broke after the request had gone.
    Reset,
    /// No answer in time.
    Timeout,
    /// Nobody knows what this is.
    Unheard,
}

type Call = Request<Full<Bytes>>;
type Stack = BoxCloneService<Call, Response<Full<Bytes>>, BoxError>;

/// A peer that does what is written, and the times at which it was called and answered.
#[derive(Clone, Debug, Default)]
struct Peer(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    answers: Vec<Answer>,
    begun: Vec<Instant>,
    ended: Vec<Instant>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::MIN.saturating_add(2),
            schedule: Schedule::default(),
            random: 0.0,
            budget: None,
            profile: None,
            within_ms: None,
            max_hint_ms: 60_000,
            replay_cap: 65_536,
        }
    }
}

impl Config {
    fn layer(&self, budget: Budget) -> RetryLayer {
        let bits = bits(self.random);
        let mut layer = RetryLayer::new()
            .attempts(self.attempts)
            .backoff(self.schedule.backoff())
            .random(move || bits)
            .budget(budget)
            .max_hint(Duration::from_millis(self.max_hint_ms))
            .replay_cap(self.replay_cap);
        if let Some(limit) = self.within_ms {
            layer = layer.within(Duration::from_millis(limit));
        }
        match self.profile {
            Some(Promise::StripeV1) => layer.profile(Profile::stripe_v1()),
            None => layer,
        }
    }
}

impl Operations {
    pub(super) async fn check(&self) -> Result<(), String> {
        let budget = Terms::open(self.config.budget);
        let peer = Peer::default();
        let stack = {
            let peer = peer.clone();
            BoxCloneService::new(
                ServiceBuilder::new()
                    .layer(self.config.layer(budget.clone()))
                    .service(service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| {
                        peer.clone().answer()
                    })),
            )
        };
        for (place, operation) in self.operations.iter().enumerate() {
            operation
                .check(&stack, &peer, &budget)
                .await
                .map_err(|difference| format!("operation {place}: {difference}"))?;
        }
        Ok(())
    }
}

impl Operation {
    async fn check(&self, stack: &Stack, peer: &Peer, budget: &Budget) -> Result<(), String> {
        advance(Duration::from_millis(self.ms)).await;
        *peer.script() = Script {
            answers: self.answers.clone(),
            ..Script::default()
        };
        let call = stack.clone().oneshot(self.request()?);
        let patience = self.drop_ms.map_or(AFTERWARDS, Duration::from_millis);
        let result = timeout(patience, call).await.ok();
        if self.drop_ms.is_some() {
            // Whoever is left to send something more does it now.
            sleep(AFTERWARDS).await;
        }

        let (seen, waits) = {
            let script = peer.script();
            let pairs = script.ended.iter().zip(script.begun.iter().skip(1));
            let waits: Vec<_> = pairs.map(|(end, begin)| rounded(*begin - *end)).collect();
            (script.begun.len(), waits)
        };
        same(
            "attempts",
            &self.attempts.unwrap_or(self.answers.len()),
            &seen,
        )?;
        expect("waits_ms", self.waits_ms.as_ref(), &waits)?;
        expect("result", self.result.as_ref(), &told(result.as_ref()))?;
        let story = result.as_ref().and_then(story);
        let stopped = story.map(|story| story.stopped.to_string());
        expect(
            "stopped",
            self.stopped.as_ref(),
            &stopped.unwrap_or_default(),
        )?;
        let outcome = story.map(|story| match story.outcome {
            Outcome::Definite => "definite".to_owned(),
            Outcome::NotExecuted => "not_executed".to_owned(),
            Outcome::Unknown => "unknown".to_owned(),
        });
        expect(
            "outcome",
            self.outcome.as_ref(),
            &outcome.unwrap_or_default(),
        )?;
        match self.balance {
            Some(balance) => same("balance", &Some(balance), &budget.balance(Instant::now())),
            None => Ok(()),
        }
    }

    fn request(&self) -> Result<Call, String> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri("http://peer/");
        if let Some(key) = &self.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(limit) = self.deadline_ms {
            let deadline = Deadline::after(Instant::now(), Duration::from_millis(limit));
            request = request.extension(deadline);
        }
        request
            .body(Full::from(vec![0; self.body_bytes]))
            .map_err(|error| error.to_string())
    }
}

impl Peer {
    async fn answer(self) -> Result<Response<Full<Bytes>>, BoxError> {
        let answer = {
            let mut script = self.script();
            let place = script.begun.len();
            script.begun.push(Instant::now());
            script.answers.get(place).cloned()
        };
        let answer = answer.ok_or("one attempt more than there are answers")?;
        sleep(Duration::from_millis(answer.ms)).await;
        self.script().ended.push(Instant::now());
        if let Some(failure) = answer.error {
            return Err(failure.into());
        }
        let mut response = Response::builder().status(answer.status.unwrap_or(200));
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Full::default())?)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::Open => return Opinion::new(Verdict::refused("breaker_open")).into(),
            Failure::Unheard => return "unheard".into(),
            Failure::Refused => io::ErrorKind::ConnectionRefused,
            Failure::Reset => io::ErrorKind::ConnectionReset,
            Failure::Timeout => io::ErrorKind::TimedOut,
        };
        io::Error::from(kind).into()
    }
}

type Ended = Result<Response<Full<Bytes>>, BoxError>;

/// What the caller got: a status, an error's name, or nothing.
fn told(result: Option<&Ended>) -> String {
    match result {
        None => "dropped".to_owned(),
        Some(Ok(response)) => response.status().as_u16().to_string(),
        Some(Err(error)) => match find::<io::Error>(&**error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => "refused".to_owned(),
            Some(io::ErrorKind::ConnectionReset) => "reset".to_owned(),
            Some(io::ErrorKind::TimedOut) => "timeout".to_owned(),
            _ if find::<Opinion>(&**error).is_some() => "open".to_owned(),
            _ => "unheard".to_owned(),
        },
    }
}

fn story(result: &Ended) -> Option<&Attempts> {
    match result {
        Ok(response) => response.extensions().get(),
        Err(error) => find::<Exhausted>(&**error).map(Exhausted::attempts),
    }
}

fn expect<T>(what: &str, expected: Option<&T>, found: &T) -> Result<(), String>
where
    T: std::fmt::Debug + PartialEq,
{
    expected.map_or(Ok(()), |expected| same(what, expected, found))
}
