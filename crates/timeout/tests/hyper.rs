//! `TimeoutLayer` over sockets: hyper's server and hyper-util's client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use buttress_timeout::{Elapsed, Phase, TimeoutLayer};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

const LIMIT: Duration = Duration::from_secs(30);

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn get(address: SocketAddr) -> Request<Full<Bytes>> {
    Request::get(format!("http://{address}/"))
        .body(Full::default())
        .unwrap()
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut received = Vec::new();
    while !received.ends_with(end) {
        received.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(received).unwrap().to_lowercase()
}

#[tokio::test]
async fn a_servers_response_keeps_its_content_length() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service =
            TimeoutLayer::new(LIMIT)
                .idle(LIMIT)
                .layer(service_fn(async |_: Request<Incoming>| {
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
                }));
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .await
    });

    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(get(address)).await.unwrap();
    assert_eq!(response.headers()[CONTENT_LENGTH], "5");
    assert!(!response.headers().contains_key(TRANSFER_ENCODING));
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
}

#[tokio::test]
async fn a_body_with_a_limit_can_be_sent_by_a_client() {
    let (listener, address) = listen().await;
    let received = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let received = read_until(&mut stream, b"hello").await;
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
        received
    });

    let upstream = TimeoutLayer::new(LIMIT).layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
    }));
    let body = upstream
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("http://{address}/"))
        .body(body)
        .unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), 204);
    let received = received.await.unwrap();
    assert!(received.contains("content-length: 5\r\n"), "{received}");
}

#[tokio::test]
async fn a_server_that_hangs_does_not_hang_the_client() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        read_until(&mut second, b"\r\n\r\n").await;
        second
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel")
            .await
            .unwrap();
        std::future::pending::<()>().await;
        drop((first, second));
    });

    let short = Duration::from_millis(50);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let hasty = TimeoutLayer::new(short).layer(client.clone());
    let error = hasty.oneshot(get(address)).await.map(drop).unwrap_err();
    assert_eq!(
        error.downcast_ref::<Elapsed>().unwrap().phase(),
        Phase::Head
    );

    let patient = TimeoutLayer::new(LIMIT).idle(short).layer(client);
    let response = patient.oneshot(get(address)).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(
        error.downcast_ref::<Elapsed>().unwrap().phase(),
        Phase::Idle
    );
    server.abort();
}
