//! The same over real sockets: axum and bare hyper, HTTP/1 and HTTP/2, clients that hang up, and
//! our own outbound stack.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Extension;
use axum::routing::post;
use buttress_idempotency::{Execution, Executions, IdempotencyKeyLayer, OutboundKey, Received};
use buttress_key::{IdempotencyKey, Profile};
use buttress_retry::{Attempts, RetryLayer};
use buttress_store::IdempotencyStore;
use buttress_store_memory::MemoryStore;
use buttress_timeout::TimeoutLayer;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use crate::kit::{Body, Flaky, Seen, inbound, see};

/// A server whose handler counts its runs, says when it begins, and takes its time.
struct Shop {
    address: SocketAddr,
    runs: Arc<AtomicUsize>,
    begun: Arc<Semaphore>,
    executions: Executions,
}

#[derive(Clone)]
struct Desk {
    runs: Arc<AtomicUsize>,
    begun: Arc<Semaphore>,
    time: Duration,
}

impl Desk {
    fn new(time: Duration) -> Self {
        Self {
            runs: Arc::default(),
            begun: Arc::new(Semaphore::new(0)),
            time,
        }
    }

    async fn order(&self) -> Response<Full<Bytes>> {
        let run = self.runs.fetch_add(1, SeqCst) + 1;
        self.begun.add_permits(1);
        tokio::time::sleep(self.time).await;
        let answer = Response::builder().status(201);
        answer.body(Full::from(format!("run {run}"))).unwrap()
    }
}

impl Shop {
    /// An axum router with the layer on its route.
    async fn axum(store: impl IdempotencyStore, time: Duration) -> Self {
        let desk = Desk::new(time);
        let layer = inbound(store).build().unwrap();
        let at = desk.clone();
        let order = move |Extension(execution): Extension<Execution>, body: Bytes| async move {
            assert_eq!((execution.number(), &*body), (1, b"order".as_slice()));
            at.order().await
        };
        let router = Router::new()
            .route("/orders", post(order))
            .route_layer(layer.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self::new(address, desk, layer.executions())
    }

    /// A bare hyper server around the layer.
    async fn hyper(store: impl IdempotencyStore, time: Duration) -> Self {
        let desk = Desk::new(time);
        let layer = inbound(store).build().unwrap();
        let at = desk.clone();
        let service = layer.layer(tower::service_fn(move |_: Request<Received<Incoming>>| {
            let at = at.clone();
            async move { Ok::<_, Infallible>(at.order().await) }
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self::new(address, desk, layer.executions())
    }

    fn new(address: SocketAddr, desk: Desk, executions: &Executions) -> Self {
        Self {
            address,
            runs: desk.runs,
            begun: desk.begun,
            executions: executions.clone(),
        }
    }

    fn request(&self, key: &str) -> Request<Body> {
        Request::post(format!("http://{}/orders", self.address))
            .header("idempotency-key", key)
            .body(Body::from("order"))
            .unwrap()
    }

    async fn ask(&self, key: &str) -> Seen {
        let client = Client::builder(TokioExecutor::new()).build_http();
        see(client.request(self.request(key)).await.unwrap()).await
    }

    /// Begins a request on a connection of its own, and hands over the connection.
    async fn raw(&self, key: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "POST /orders HTTP/1.1\r\nhost: shop\r\nidempotency-key: {key}\r\n\
             content-length: 5\r\n\r\norder"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn has_begun(&self) {
        self.begun.acquire().await.unwrap().forget();
    }

    async fn assert_done_once(&self, key: &str) {
        assert_eq!(self.executions.drain(Duration::from_secs(5)).await, 0);
        let again = self.ask(key).await;
        assert_eq!((again.status, again.text()), (201, "run 1"));
        assert!(again.is_replay());
        assert_eq!(self.runs.load(SeqCst), 1);
    }
}

const BRIEFLY: Duration = Duration::from_millis(50);

#[tokio::test]
async fn s23_an_http_1_client_that_closes_loses_nothing_under_axum() {
    let shop = Shop::axum(MemoryStore::default(), BRIEFLY).await;
    let stream = shop.raw("k").await;
    shop.has_begun().await;
    drop(stream);
    shop.assert_done_once("k").await;
}

#[tokio::test]
async fn s23_an_http_1_client_that_closes_loses_nothing_under_hyper() {
    let shop = Shop::hyper(MemoryStore::default(), BRIEFLY).await;
    let stream = shop.raw("k").await;
    shop.has_begun().await;
    drop(stream);
    shop.assert_done_once("k").await;
}

#[tokio::test]
async fn s23_an_http_2_client_that_resets_its_stream_loses_nothing() {
    for shop in [
        Shop::axum(MemoryStore::default(), BRIEFLY).await,
        Shop::hyper(MemoryStore::default(), BRIEFLY).await,
    ] {
        let stream = TcpStream::connect(shop.address).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let call = tokio::spawn(client.send_request(shop.request("k")));
        shop.has_begun().await;
        // Dropping the call sends RST_STREAM; the connection lives on.
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(shop.executions.running(), 1);

        assert_eq!(shop.executions.drain(Duration::from_secs(5)).await, 0);
        let again = client.send_request(shop.request("k")).await.unwrap();
        assert_eq!(again.version(), Version::HTTP_2);
        let again = see(again).await;
        assert_eq!((again.status, again.text()), (201, "run 1"));
        assert!(again.is_replay());
        assert_eq!(shop.runs.load(SeqCst), 1);
    }
}

#[tokio::test]
async fn s23_a_client_that_closes_at_any_moment_never_makes_a_second_execution() {
    let (store, runs) = (Flaky::default(), Duration::from_millis(4));
    let shop = Shop::axum(store, runs).await;
    for moment in 0_u64..24 {
        let key = format!("k{moment}");
        let before = shop.runs.load(SeqCst);
        let stream = shop.raw(&key).await;
        tokio::time::sleep(Duration::from_micros(moment * 300)).await;
        drop(stream);
        let answer = loop {
            let seen = shop.ask(&key).await;
            if seen.status != 409 {
                break seen;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert_eq!(answer.status, 201);
        assert_eq!(shop.runs.load(SeqCst), before + 1, "closed after {moment}");
    }
}

#[tokio::test]
async fn a_client_that_saw_the_last_byte_finds_the_record() {
    let shop = Shop::axum(MemoryStore::default(), Duration::ZERO).await;
    for round in 0..50 {
        let key = format!("k{round}");
        let mut stream = shop.raw(&key).await;
        let mut seen = Vec::new();
        while !seen.ends_with(format!("run {}", round + 1).as_bytes()) {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
        }
        drop(stream);
        assert!(shop.ask(&key).await.is_replay(), "round {round}");
    }
}

#[tokio::test]
async fn a_replay_over_a_socket_has_length_and_no_second_date() {
    let shop = Shop::axum(MemoryStore::default(), Duration::ZERO).await;
    shop.ask("k").await;
    let again = shop.ask("k").await;
    assert_eq!(again.headers["content-length"], "5");
    assert_eq!(again.headers.get_all("date").iter().count(), 1);
    assert_eq!(again.headers["idempotent-replayed"], "true");
}

/// Our own outbound stack: key, retry with the profile declared, attempt timeout, client.
fn stack(
    attempt: Duration,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = BoxError>>,
    Error = BoxError,
> {
    ServiceBuilder::new()
        .layer(IdempotencyKeyLayer::outbound(Profile::buttress()))
        .layer(RetryLayer::new().profile(Profile::buttress()))
        .layer(TimeoutLayer::new(attempt))
        .service(Client::builder(TokioExecutor::new()).build_http())
}

fn keyed(shop: &Shop) -> Request<Body> {
    let mut request = shop.request("");
    request.headers_mut().remove("idempotency-key");
    let key = OutboundKey::new(IdempotencyKey::generate().unwrap(), SystemTime::now());
    request.extensions_mut().insert(key);
    request
}

#[tokio::test]
async fn our_outbound_stack_whose_attempt_timed_out_gets_the_first_executions_answer() {
    let shop = Shop::axum(MemoryStore::default(), Duration::from_millis(400)).await;
    let stack = stack(Duration::from_millis(150));
    let response = stack.oneshot(keyed(&shop)).await.unwrap();
    let attempts = *response.extensions().get::<Attempts>().unwrap();
    assert!(attempts.count.get() > 1);
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["idempotent-replayed"], "true");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "run 1");
    assert_eq!(shop.runs.load(SeqCst), 1);
}

#[tokio::test]
async fn our_outbound_stack_takes_an_unknown_outcome_for_final() {
    use buttress_store::OrphanPolicy;

    // The handler panics, and its lease is over before the next attempt.
    let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .single_tenant()
        .orphan_policy(OrphanPolicy::Refuse)
        .lease(Duration::from_millis(2))
        .renew_every(Duration::from_millis(1))
        .build()
        .unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let order = move || {
        count.fetch_add(1, SeqCst);
        async { panic!("a bug in the handler") as Response<Full<Bytes>> }
    };
    let router = Router::new()
        .route("/orders", post(order))
        .route_layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());

    let desk = Desk::new(Duration::ZERO);
    let idle = inbound(MemoryStore::default()).build().unwrap();
    let shop = Shop::new(address, desk, idle.executions());
    let response = stack(Duration::from_secs(5))
        .oneshot(keyed(&shop))
        .await
        .unwrap();
    assert_eq!(response.status(), 409);
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(attempts.count.get(), 2);
    assert_eq!(attempts.outcome, buttress_retry::Outcome::Unknown);
    assert_eq!(runs.load(SeqCst), 1);
}
