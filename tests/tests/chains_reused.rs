//! A pooled connection that the peer closes: whether the next request left decides what it means.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use buttress_classify::Verdict;
use http::Response;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tests::chains::{assert_means, empty, error_of, large, meaning_of, request};
use tests::clients::{Body, Client, Kind, Settings, Version};
use tests::peer::{Peer, Step};
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};

const LIMIT: Duration = Duration::from_secs(10);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A runtime with a thread of its own, which a test may drop.
struct Elsewhere(Option<Runtime>);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A client whose pooled connection the peer has just closed, which its runtime has yet to learn.
async fn client_of_a_closed_connection() -> (Client, Peer, Elsewhere) {
    let close = Arc::new(Notify::new());
    let plan = vec![
        Step::ReadHead,
        Step::write(OK),
        Step::Wait(Arc::clone(&close)),
    ];
    let elsewhere = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let peer = elsewhere.spawn(Peer::start([plan])).await.unwrap().unwrap();
    let client = Client::new(Settings::new(Kind::HyperUtil, Version::One)).unwrap();
    client.send(request(&peer.http(), empty())).await.unwrap();

    // The peer gets on in its own thread while this one stands still.
    close.notify_one();
    while *peer.served().borrow() == 0 {
        thread::yield_now();
    }
    (client, peer, Elsewhere(Some(elsewhere)))
}

#[tokio::test]
async fn a_request_canceled_before_it_left_was_not_sent() {
    let (client, peer, _elsewhere) = client_of_a_closed_connection().await;

    // The runtime learns of it in the same breath in which the pool hands out the connection: the
    // request waits in a queue that is then torn down.
    tokio::task::yield_now().await;
    let error = error_of(&client, request(&peer.http(), large())).await;
    assert_means(&error, Verdict::transient("canceled").unsent(), "canceled");
}

#[tokio::test]
async fn a_request_that_crossed_the_closing_may_have_been_sent() {
    let (client, peer, _elsewhere) = client_of_a_closed_connection().await;
    let error = error_of(&client, request(&peer.http(), large())).await;
    assert_means(&error, Verdict::transient("reset"), "crossed");
}

#[tokio::test]
async fn a_half_written_body_may_have_been_sent() {
    for kind in Kind::ALL {
        for cut in [Step::Fin, Step::Reset] {
            let plan = vec![
                Step::ReadHead,
                Step::write(OK),
                Step::ReadHead,
                Step::Read(1000),
                cut,
            ];
            let peer = Peer::start([plan]).await.unwrap();
            let client = Client::new(Settings::new(kind, Version::One)).unwrap();
            client.send(request(&peer.http(), empty())).await.unwrap();
            let error = error_of(&client, request(&peer.http(), large())).await;
            assert_means(&error, Verdict::transient("reset"), kind);
        }
    }
}

#[tokio::test]
async fn a_response_that_never_comes_on_a_reused_connection_may_have_been_executed() {
    for kind in Kind::ALL {
        let plan = vec![Step::ReadHead, Step::write(OK), Step::ReadHead, Step::Fin];
        let peer = Peer::start([plan]).await.unwrap();
        let client = Client::new(Settings::new(kind, Version::One)).unwrap();
        client.send(request(&peer.http(), empty())).await.unwrap();
        let error = error_of(&client, request(&peer.http(), empty())).await;
        assert_means(&error, Verdict::transient("reset"), kind);
    }
}

/// hyper also calls the wait for an upgrade canceled when its connection goes.
#[tokio::test]
async fn a_canceled_upgrade_proves_nothing() {
    let (mut client, server) = tokio::io::duplex(1024);
    let head = b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    client.write_all(head).await.unwrap();
    let (upgrades, mut upgrade) = mpsc::unbounded_channel();
    let service = service_fn(move |request| {
        upgrades.send(hyper::upgrade::on(request)).unwrap();
        std::future::pending::<Result<Response<Body>, Infallible>>()
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), service)
        .with_upgrades();
    let connection = tokio::spawn(connection);
    let upgrade = upgrade.recv().await.unwrap();
    connection.abort();

    let error = tokio::time::timeout(LIMIT, upgrade)
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.is_canceled(), "{error:?}");
    assert_eq!(meaning_of(&error.into()), None);
}

/// The kernel hands a late ICMP refusal to a connection that has long carried the request.
#[tokio::test]
async fn a_refusal_on_a_connection_that_stood_proves_nothing() {
    let socket = tokio_test::io::Builder::new()
        .write(b"POST / HTTP/1.1\r\n\r\n")
        .read_error(ErrorKind::ConnectionRefused.into())
        .build();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let error = sender
        .send_request(request("/", empty()))
        .await
        .unwrap_err();
    assert_means(&error.into(), Verdict::transient("connect"), "late");
}
