//! One layer on an axum router is one circuit: for all routes and for all connections.

use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::http::StatusCode;
use axum::routing::get;
use buttress_circuit_breaker::{CircuitBreakerLayer, Open, State};
use buttress_classify::{BoxError, find};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

async fn refused(error: BoxError) -> (StatusCode, [(&'static str, String); 1]) {
    let wait = find::<Open>(&*error).and_then(Open::retry_after);
    let seconds = wait.unwrap_or_default().as_secs_f64().ceil();
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [("retry-after", seconds.to_string())],
    )
}

/// Calls `path` over a connection of its own.
async fn call(address: std::net::SocketAddr, path: &str) -> http::Response<hyper::body::Incoming> {
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http::<Full<Bytes>>();
    let request = Request::get(format!("http://{address}{path}"));
    client
        .request(request.body(Full::default()).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn two_routes_over_several_connections_see_one_circuit() {
    let breaker = CircuitBreakerLayer::http()
        .open_for(Duration::from_secs(60))
        .build()
        .unwrap();
    let circuit = breaker.handle();
    let app = Router::new()
        .route(
            "/broken",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .route("/fine", get(|| async { "fine" }))
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(refused))
                .layer(breaker),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    assert_eq!(call(address, "/fine").await.status(), 200);
    for _ in 0..5 {
        assert_eq!(circuit.state(), State::Closed);
        assert_eq!(call(address, "/broken").await.status(), 500);
    }
    assert_eq!(circuit.state(), State::Open);
    for path in ["/fine", "/broken"] {
        let response = call(address, path).await;
        assert_eq!(response.status(), 503);
        let wait: u32 = response.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((50..=66).contains(&wait), "{wait}");
    }
    assert_eq!(circuit.snapshot().refused, 2);
}
