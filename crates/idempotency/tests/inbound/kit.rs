//! A handler that counts, a store that fails on demand, and short words for requests.

use std::convert::Infallible;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use buttress_idempotency::{IdempotencyKeyLayer, Inbound, InboundBuilder, Received, Recorded};
use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, IdempotencyStore, OrphanPolicy, RecordKey,
    Resolution, Settled, StoreError, StoreErrorKind, StoreFuture, StoredResponse, Unknown,
};
use buttress_store_memory::MemoryStore;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};

pub(crate) type Body = Full<Bytes>;
pub(crate) type Handled = Result<Response<Body>, Infallible>;

/// A builder with the two mandatory settings.
pub(crate) fn inbound(store: impl IdempotencyStore) -> InboundBuilder {
    IdempotencyKeyLayer::inbound(store)
        .single_tenant()
        .orphan_policy(OrphanPolicy::ReExecute)
}

pub(crate) type Service = BoxCloneSyncService<Request<Body>, Response<Recorded<Body>>, Infallible>;

/// Counts its executions, and answers what `handler` does.
#[derive(Clone, Default)]
pub(crate) struct Runs(Arc<AtomicUsize>);

impl Runs {
    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// A service behind `layer` whose executions are counted.
    pub(crate) fn service<H, F>(&self, layer: &IdempotencyKeyLayer<Inbound>, handler: H) -> Service
    where
        H: Fn(usize, Request<Received<Body>>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Handled> + Send + 'static,
    {
        let runs = self.0.clone();
        let counted = tower::service_fn(move |request| {
            let run = runs.fetch_add(1, SeqCst) + 1;
            handler(run, request)
        });
        BoxCloneSyncService::new(layer.layer(counted))
    }

    /// Answers 201 and the number of the execution.
    pub(crate) fn numbered(&self, layer: &IdempotencyKeyLayer<Inbound>) -> Service {
        self.service(layer, |run, _| async move { created(run) })
    }

    /// As [`numbered`](Self::numbered), after a while.
    pub(crate) fn slow(&self, layer: &IdempotencyKeyLayer<Inbound>, time: Duration) -> Service {
        self.service(layer, move |run, _| async move {
            tokio::time::sleep(time).await;
            created(run)
        })
    }

    pub(crate) fn status(&self, layer: &IdempotencyKeyLayer<Inbound>, status: u16) -> Service {
        self.service(layer, move |run, _| async move {
            let mut response = created(run)?;
            *response.status_mut() = status.try_into().unwrap();
            Ok(response)
        })
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what a handler returns")]
pub(crate) fn created(run: usize) -> Handled {
    Ok(Response::builder()
        .status(201)
        .body(Body::from(format!("run {run}")))
        .unwrap())
}

pub(crate) fn post(key: &str, body: &str) -> Request<Body> {
    Request::post("/orders")
        .header("idempotency-key", key)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// A response that was read.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.headers
            .get("idempotent-replayed")
            .is_some_and(|value| value == "true")
    }

    pub(crate) fn has(&self, header: &str) -> bool {
        self.headers.contains_key(header)
    }

    /// The type of a problem, without its prefix.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let members: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(members["status"], self.status);
        let name = members["type"].as_str().unwrap();
        name.trim_start_matches("urn:buttress:problem:").to_owned()
    }
}

pub(crate) async fn send(service: &Service, request: Request<Body>) -> Seen {
    let response = service.clone().oneshot(request).await.unwrap();
    see(response).await
}

pub(crate) async fn see<B>(response: Response<B>) -> Seen
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (head, body) = response.into_parts();
    Seen {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// What the next calls of one kind do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Mode {
    /// It works.
    #[default]
    Up,
    /// Nothing happens.
    Down,
    /// It never returns.
    Hang,
    /// It happens, and its answer is lost.
    Deaf,
    /// It happens, and its answer comes after so many seconds.
    Late(u64),
    /// What is stored cannot be read.
    Corrupt,
    /// The next one waits at the gate; those after it work.
    Gated,
    /// It writes and reads as the version before did.
    Old,
    /// What is stored is sealed, as by an encrypting wrapper that is missing later.
    Sealed,
}

/// A memory store that counts its calls and fails on demand.
#[derive(Clone, Default)]
pub(crate) struct Flaky {
    pub(crate) inner: MemoryStore,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    gate: Gate,
    begin: Mutex<Mode>,
    complete: Mutex<Mode>,
    renew: Mutex<Mode>,
    wait: Mutex<Mode>,
    begins: AtomicUsize,
    completes: AtomicUsize,
    renewals: AtomicUsize,
    releases: AtomicUsize,
    waits: AtomicUsize,
    stored: Mutex<Vec<u8>>,
}

/// Where somebody is held up until the test has done what it wants.
#[derive(Clone)]
pub(crate) struct Gate {
    reached: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        let shut = || Arc::new(Semaphore::new(0));
        Self {
            reached: shut(),
            opened: shut(),
        }
    }
}

impl Gate {
    pub(crate) async fn pass(&self) {
        self.reached.add_permits(1);
        self.opened.acquire().await.unwrap().forget();
    }

    pub(crate) async fn is_reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub(crate) fn open(&self) {
        self.opened.add_permits(1);
    }
}

impl Flaky {
    /// A handle of its own on these records.
    pub(crate) fn on(inner: MemoryStore) -> Self {
        Self {
            inner,
            state: Arc::default(),
        }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.state.gate
    }

    pub(crate) fn begin_is(&self, mode: Mode) {
        *self.state.begin.lock().unwrap() = mode;
    }

    pub(crate) fn complete_is(&self, mode: Mode) {
        *self.state.complete.lock().unwrap() = mode;
    }

    pub(crate) fn renew_is(&self, mode: Mode) {
        *self.state.renew.lock().unwrap() = mode;
    }

    pub(crate) fn wait_is(&self, mode: Mode) {
        *self.state.wait.lock().unwrap() = mode;
    }

    /// Every byte of the answers that were to be stored.
    pub(crate) fn stored(&self) -> Vec<u8> {
        self.state.stored.lock().unwrap().clone()
    }

    /// Begins, completions, renewals, releases and waits.
    pub(crate) fn calls(&self) -> [usize; 5] {
        let State {
            begins,
            completes,
            renewals,
            releases,
            waits,
            ..
        } = &*self.state;
        [begins, completes, renewals, releases, waits].map(|count| count.load(SeqCst))
    }
}

/// Does what the mode says with a call.
fn through<'a, T: Send + 'a>(mode: Mode, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
    let failing = |kind| StoreError::new(kind, "being tested");
    Box::pin(async move {
        match mode {
            Mode::Up | Mode::Sealed | Mode::Gated | Mode::Old => call.await,
            Mode::Down => Err(failing(StoreErrorKind::Unavailable)),
            Mode::Hang => std::future::pending().await,
            Mode::Deaf => {
                call.await?;
                Err(failing(StoreErrorKind::Indeterminate))
            }
            Mode::Late(seconds) => {
                let answer = call.await;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                answer
            }
            Mode::Corrupt => Err(failing(StoreErrorKind::Corrupt)),
        }
    })
}

impl IdempotencyStore for Flaky {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        self.state.begins.fetch_add(1, SeqCst);
        let mode = *self.state.begin.lock().unwrap();
        let call = through(mode, self.inner.begin(request));
        Box::pin(async move {
            if mode == Mode::Gated {
                self.begin_is(Mode::Up);
                self.state.gate.pass().await;
            }
            let begun = call.await?;
            if let (Mode::Old, Begin::Completed { response, .. }) = (mode, &begun) {
                StoredResponse::decode_up_to(response.encoded().clone(), 1)?;
            }
            Ok(begun)
        })
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        self.state.completes.fetch_add(1, SeqCst);
        let mode = *self.state.complete.lock().unwrap();
        self.state.stored.lock().unwrap().extend(response.encoded());
        if mode == Mode::Sealed {
            return Box::pin(async move {
                let sealed = StoredResponse::sealed(b"cipher text");
                self.inner.complete(claim, &sealed, retention).await
            });
        }
        if mode == Mode::Old {
            // Version 1 had no flags.
            let fields = response.encoded()[2..].to_vec();
            let old = Bytes::from([vec![1], fields].concat());
            return Box::pin(async move {
                let old = StoredResponse::decode(old)?;
                self.inner.complete(claim, &old, retention).await
            });
        }
        let call = through(mode, self.inner.complete(claim, response, retention));
        Box::pin(async move {
            if mode == Mode::Gated {
                self.complete_is(Mode::Up);
                self.state.gate.pass().await;
            }
            call.await
        })
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        self.state.renewals.fetch_add(1, SeqCst);
        let mode = *self.state.renew.lock().unwrap();
        through(mode, self.inner.renew(claim, lease))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        self.state.releases.fetch_add(1, SeqCst);
        self.inner.release(claim)
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        self.inner.adopt(key, resolution)
    }

    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        self.inner.unknowns(after, limit)
    }

    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        self.state.waits.fetch_add(1, SeqCst);
        let mode = *self.state.wait.lock().unwrap();
        through(mode, self.inner.wait(key, limit))
    }

    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        self.inner.purge(limit)
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

/// Lets every task run until all of them wait, without moving a paused clock.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future once; whatever it started goes on.
pub(crate) async fn poke<F: Future>(future: &mut Pin<Box<F>>) {
    let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending()));
    assert!(polled.await, "it ended at once");
}

/// A store that is asked for its capabilities alone.
#[derive(Clone)]
pub(crate) struct Durable(pub(crate) Capabilities);

impl IdempotencyStore for Durable {
    fn begin(&self, _: BeginRequest) -> StoreFuture<'_, Begin> {
        unreachable!()
    }

    fn complete<'a>(
        &'a self,
        _: &'a Claim,
        _: &'a StoredResponse,
        _: Duration,
    ) -> StoreFuture<'a, Settled> {
        unreachable!()
    }

    fn renew<'a>(&'a self, _: &'a Claim, _: Duration) -> StoreFuture<'a, Settled> {
        unreachable!()
    }

    fn release<'a>(&'a self, _: &'a Claim) -> StoreFuture<'a, Settled> {
        unreachable!()
    }

    fn adopt<'a>(&'a self, _: &'a RecordKey, _: &'a Resolution) -> StoreFuture<'a, Settled> {
        unreachable!()
    }

    fn unknowns<'a>(
        &'a self,
        _: Option<&'a RecordKey>,
        _: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        unreachable!()
    }

    fn wait<'a>(&'a self, _: &'a RecordKey, _: Duration) -> StoreFuture<'a, ()> {
        unreachable!()
    }

    fn purge(&self, _: NonZeroUsize) -> StoreFuture<'_, usize> {
        unreachable!()
    }

    fn capabilities(&self) -> Capabilities {
        self.0
    }
}
