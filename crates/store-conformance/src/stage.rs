use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// How time passes for a store under test.
pub trait Clock: Send + Sync + 'static {
    /// Called once before a clause that lets time pass.
    fn start(&self) {}

    /// Whether two passes at once let the sum of their times pass. Default: no, as on a clock that
    /// is waited for.
    fn adds_up(&self) -> bool {
        false
    }

    /// Lets `time` pass on the store's clock.
    fn pass(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// tokio's clock, paused: for stores that measure with it. No clause waits in truth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paused;

impl Clock for Paused {
    fn start(&self) {
        tokio::time::pause();
    }

    fn pass(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::advance(time))
    }
}

/// The real clock: for stores whose clock stands on a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

impl Clock for Real {
    fn pass(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// A store, its clock, and a key space of this stage's own.
pub struct Stage {
    store: Arc<dyn IdempotencyStore>,
    clock: Box<dyn Clock>,
    space: Token,
    lease: Duration,
    retention: Duration,
    tick: Duration,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Stage {
    /// A store that measures with tokio's clock. Each clause runs on a paused one.
    #[must_use]
    pub fn paused(store: impl IdempotencyStore) -> Self {
        Self {
            lease: Duration::from_secs(60),
            retention: Duration::from_secs(86_400),
            tick: Duration::from_millis(1),
            ..Self::real(store, Duration::ZERO)
        }
        .with_clock(Paused)
    }

    /// A store whose time can only be waited for. Clauses sleep for a few `lease`s; a twentieth of
    /// one is how exact the store's clock has to be. 400 ms suits a server on the same machine.
    #[must_use]
    pub fn real(store: impl IdempotencyStore, lease: Duration) -> Self {
        Self {
            store: Arc::new(store),
            clock: Box::new(Real),
            space: random(),
            lease,
            retention: lease * 4,
            tick: lease / 4,
            kept: Vec::new(),
        }
    }

    /// The same, keeping something alive for as long: a temporary directory, a server.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(kept));
        self
    }

    /// The same with another clock, for stores whose clock a test can move.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Prepares the clock; the macro calls it before each clause that lets time pass.
    pub fn start(&self) {
        self.clock.start();
    }

    pub(crate) fn store(&self) -> &dyn IdempotencyStore {
        &*self.store
    }

    pub(crate) fn shared(&self) -> Arc<dyn IdempotencyStore> {
        Arc::clone(&self.store)
    }

    pub(crate) const fn lease(&self) -> Duration {
        self.lease
    }

    pub(crate) const fn retention(&self) -> Duration {
        self.retention
    }

    pub(crate) fn adds_up(&self) -> bool {
        self.clock.adds_up()
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.pass(time).await;
    }

    /// Lets all but a tick of `time` pass.
    pub(crate) async fn pass_nearly(&self, time: Duration) {
        self.pass(time.saturating_sub(self.tick)).await;
    }

    /// Lets the rest pass that [`pass_nearly`](Self::pass_nearly) left.
    pub(crate) async fn pass_the_rest(&self) {
        self.pass(self.tick).await;
    }

    pub(crate) fn key(&self, name: &str) -> RecordKey {
        RecordKey::derive(&[self.space.as_bytes(), name.as_bytes()])
    }

    /// A begin of this key by a new token, under `ReExecute`.
    pub(crate) fn request(&self, name: &str) -> BeginRequest {
        BeginRequest {
            key: self.key(name),
            fingerprint: fingerprint(1),
            token: random(),
            lease: self.lease,
            retention: self.retention,
            orphan: OrphanPolicy::ReExecute,
        }
    }

    pub(crate) fn refusing(&self, name: &str) -> BeginRequest {
        BeginRequest {
            orphan: OrphanPolicy::Refuse,
            ..self.request(name)
        }
    }

    pub(crate) async fn begin(&self, request: BeginRequest) -> Begin {
        self.store.begin(request).await.unwrap()
    }

    /// Completes with this body, for the stage's retention.
    pub(crate) async fn complete(&self, claim: &Claim, body: &str) -> Settled {
        let answer = response(body);
        let settled = self.store.complete(claim, &answer, self.retention);
        settled.await.unwrap()
    }

    /// A new claim on this key, which must be free.
    pub(crate) async fn claim(&self, name: &str) -> Claim {
        acquired(self.begin(self.request(name)).await)
    }

    /// What somebody else finds under this key.
    pub(crate) async fn found(&self, name: &str) -> Begin {
        self.begin(self.request(name)).await
    }

    /// The answer that somebody else finds under this key.
    pub(crate) async fn answer(&self, name: &str) -> StoredResponse {
        match self.found(name).await {
            Begin::Completed { response, .. } => response,
            other => panic!("not completed: {other:?}"),
        }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

pub(crate) fn acquired(begin: Begin) -> Claim {
    match begin {
        Begin::Acquired(claim) => claim,
        other => panic!("not acquired: {other:?}"),
    }
}

pub(crate) fn is_in_progress(begin: &Begin) -> bool {
    matches!(begin, Begin::InProgress { .. })
}

pub(crate) fn fingerprint(byte: u8) -> Fingerprint {
    let mut bytes = [byte; Fingerprint::LEN];
    bytes[0] = 1;
    Fingerprint::from_bytes(bytes)
}

pub(crate) fn random() -> Token {
    Token::random().unwrap()
}

pub(crate) fn response(body: &str) -> StoredResponse {
    let mut headers = HeaderMap::new();
    headers.append("x-answer", HeaderValue::from_static("1"));
    StoredResponse::new(StatusCode::CREATED, &headers, body.as_bytes())
}
