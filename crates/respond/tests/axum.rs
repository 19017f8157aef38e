//! Our own timeout and breaker around an axum router, without `HandleErrorLayer`, over a socket.
#![cfg(all(feature = "circuit-breaker", feature = "timeout"))]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_respond::ProblemLayer;
use buttress_timeout::TimeoutLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceBuilder;

#[tokio::test]
async fn a_router_behind_timeout_and_breaker_answers_problems() {
    let breaker = CircuitBreakerLayer::http().build().unwrap();
    let circuit = breaker.handle();
    let router = Router::new()
        .route("/slow", get(std::future::pending::<()>))
        .layer(
            ServiceBuilder::new()
                .layer(ProblemLayer::new())
                .layer(TimeoutLayer::new(Duration::from_millis(50)))
                .layer(breaker),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());

    let late = get_text(address).await;
    assert!(late.starts_with("HTTP/1.1 504 "), "{late}");
    assert!(late.contains("application/problem+json"), "{late}");

    circuit.force_open();
    let refused = get_text(address).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}

async fn get_text(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /slow HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}
