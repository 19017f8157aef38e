//! The breaker over real clients and real sockets.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buttress_circuit_breaker::{CircuitBreakerLayer, CircuitHandle, Open, State};
use buttress_classify::{BoxError, GrpcClassifier, find};
use buttress_reqwest::Reqwest;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder, ServiceExt};

type Body = Full<Bytes>;

/// Answers everything with the head of `answer`, over either HTTP. Counts the calls.
async fn serve(answer: Response<()>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (calls, answer) = (Arc::clone(&counted), answer.clone());
            let service = hyper::service::service_fn(move |_| {
                calls.fetch_add(1, Ordering::Relaxed);
                let answer = answer.clone().map(|()| Empty::<Bytes>::new());
                async move { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(async move {
                hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await
            });
        }
    });
    (url, calls)
}

/// A port that nobody listens on.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

fn breaker() -> (CircuitBreakerLayer, CircuitHandle) {
    let layer = CircuitBreakerLayer::http().name("peer").build().unwrap();
    let circuit = layer.handle();
    (layer, circuit)
}

async fn call<S, B>(service: &mut S, url: &str) -> Result<Response<B>, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
{
    let request = Request::get(url).body(Body::default()).unwrap();
    service.ready().await?.call(request).await
}

/// Five bad calls open the circuit, and the sixth is refused without being sent.
async fn opens_after_five<S, B>(mut service: S, circuit: &CircuitHandle, url: &str) -> Refused
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Clone,
{
    for _ in 0..5 {
        assert_eq!(circuit.state(), State::Closed);
        // Most callers call through a clone.
        drop(call(&mut service.clone(), url).await);
    }
    assert_eq!(circuit.state(), State::Open);
    let error = call(&mut service, url).await.err().unwrap();
    let open = find::<Open>(&*error).unwrap();
    assert_eq!(open.name(), "peer");
    Refused(open.retry_after().unwrap())
}

/// How long the refusal lasts.
struct Refused(Duration);

fn overloaded() -> Response<()> {
    let response = Response::builder().status(503);
    response.header("retry-after", "120").body(()).unwrap()
}

#[tokio::test]
async fn hyper_utils_client_is_guarded_and_the_servers_wish_is_heard() {
    let (url, calls) = serve(overloaded()).await;
    let (layer, circuit) = breaker();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = ServiceBuilder::new().layer(layer).service(client);
    let Refused(wait) = opens_after_five(service, &circuit, &url).await;
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    assert!((115..=120).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn refused_connections_open_it() {
    let url = nowhere().await;
    let (layer, circuit) = breaker();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = ServiceBuilder::new().layer(layer).service(client);
    let Refused(wait) = opens_after_five(service, &circuit, &url).await;
    assert!((25..=33).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn reqwests_client_is_guarded() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (url, calls) = serve(overloaded()).await;
    let (layer, circuit) = breaker();
    let client = Reqwest::new(reqwest_0_13::Client::new());
    let service = ServiceBuilder::new().layer(layer).service(client);
    opens_after_five(service, &circuit, &url).await;
    assert_eq!(calls.load(Ordering::Relaxed), 5);

    let (layer, circuit) = breaker();
    let client = Reqwest::new(reqwest_0_12::Client::new());
    let service = ServiceBuilder::new().layer(layer).service(client);
    opens_after_five(service, &circuit, &nowhere().await).await;
}

#[tokio::test]
async fn tonics_channel_is_guarded_by_grpc_statuses() {
    let answer = |status| {
        let response = Response::builder().header("content-type", "application/grpc");
        response.header("grpc-status", status).body(()).unwrap()
    };
    // UNAVAILABLE is the peer's failure; NOT_FOUND is an answer.
    for (status, opens) in [("14", true), ("5", false)] {
        let (url, calls) = serve(answer(status)).await;
        let layer = CircuitBreakerLayer::http()
            .classify(GrpcClassifier)
            .build()
            .unwrap();
        let circuit = layer.handle();
        let channel = tonic::transport::Endpoint::from_shared(url)
            .unwrap()
            .connect_lazy();
        let service = ServiceBuilder::new().layer(layer).service(channel);
        for _ in 0..6 {
            let request = Request::post("http://peer/shop.Orders/Get")
                .body(tonic::body::Body::empty())
                .unwrap();
            drop(service.clone().oneshot(request).await);
        }
        assert_eq!(circuit.state() == State::Open, opens, "{status}");
        assert_eq!(calls.load(Ordering::Relaxed), if opens { 5 } else { 6 });
    }
}
