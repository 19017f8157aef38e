//! A client that hangs up at each point where the layer waits, over HTTP/1 (the connection closes) and
//! HTTP/2 (the stream is reset): scenarios 23 and 24.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use buttress_store_memory::MemoryStore;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Channel, StreamBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{Flaky, Gate, Mode, Seen, inbound, see};

/// What the layer waits for when its client hangs up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// The rest of the request's body.
    Upload,
    /// The store, to say whose the key is.
    Begin,
    /// The handler.
    Handler,
    /// The rest of the answer's body.
    Stream,
    /// The store, to keep the answer.
    Complete,
}

const POINTS: [Point; 5] = [
    Point::Upload,
    Point::Begin,
    Point::Handler,
    Point::Stream,
    Point::Complete,
];

struct Server {
    address: SocketAddr,
    store: Flaky,
    /// Where the first request is held up.
    gate: Gate,
    runs: Arc<AtomicUsize>,
}

impl Server {
    async fn held_up_at(point: Point) -> Self {
        let store = Flaky::on(MemoryStore::default());
        match point {
            Point::Begin => store.begin_is(Mode::Gated),
            Point::Complete => store.complete_is(Mode::Gated),
            Point::Upload | Point::Handler | Point::Stream => {}
        }
        let (gate, runs) = (store.gate().clone(), Arc::new(AtomicUsize::new(0)));
        let (waiting, counted) = (gate.clone(), runs.clone());
        let order = move |body: Bytes| async move {
            assert_eq!(body, "order");
            let run = counted.fetch_add(1, SeqCst) + 1;
            if point == Point::Handler {
                waiting.pass().await;
            }
            let frames = stream::unfold(0, move |sent| {
                let waiting = waiting.clone();
                async move {
                    if point == Point::Stream && sent == 1 {
                        waiting.pass().await;
                    }
                    let text = [format!("run {run}"), " and the rest".to_owned()];
                    let frame = Frame::data(Bytes::from(text.get(sent)?.clone()));
                    Some((Ok::<_, Infallible>(frame), sent + 1))
                }
            });
            let body = Body::new(StreamBody::new(Box::pin(frames)));
            Response::builder().status(201).body(body).unwrap()
        };
        let layer = inbound(store.clone()).build().unwrap();
        let router = Router::new()
            .route("/orders", post(order))
            .route_layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self {
            address,
            store,
            gate,
            runs,
        }
    }

    /// As a client does that wants its answer after all.
    async fn answer(&self) -> Seen {
        loop {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (mut client, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let request = self.request(Body::from("order"));
            let seen = see(client.send_request(request).await.unwrap()).await;
            if seen.status != StatusCode::CONFLICT {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn request<B>(&self, body: B) -> Request<B> {
        Request::post(format!("http://{}/orders", self.address))
            .header("idempotency-key", "k")
            .body(body)
            .unwrap()
    }

    async fn assert_nothing_lost(&self, point: Point) {
        if point == Point::Upload {
            assert_eq!(
                self.store.calls()[0],
                0,
                "nothing is claimed before it is whole"
            );
        }
        self.gate.open();
        let answer = self.answer().await;
        assert_eq!(answer.status, 201, "{point:?}");
        assert_eq!(answer.text(), "run 1 and the rest", "{point:?}");
        assert_eq!(answer.is_replay(), point != Point::Upload, "{point:?}");
        assert_eq!(self.runs.load(SeqCst), 1, "{point:?}");
    }
}

#[tokio::test]
async fn s23_an_http_1_connection_closed_at_any_point_loses_nothing() {
    for point in POINTS {
        let server = Server::held_up_at(point).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = b"POST /orders HTTP/1.1\r\nhost: shop\r\nidempotency-key: k\r\n\
            content-length: 5\r\n\r\nor";
        stream.write_all(head).await.unwrap();
        if point != Point::Upload {
            stream.write_all(b"der").await.unwrap();
            server.gate.is_reached().await;
        }
        if point == Point::Stream {
            let mut seen = Vec::new();
            while !String::from_utf8_lossy(&seen).contains("run 1") {
                assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
            }
        }
        drop(stream);
        server.assert_nothing_lost(point).await;
    }
}

#[tokio::test]
async fn s23_an_http_2_stream_reset_at_any_point_loses_nothing() {
    for point in POINTS {
        let server = Server::held_up_at(point).await;
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let (mut upload, body) = Channel::<Bytes, Infallible>::new(2);
        let call = tokio::spawn(client.send_request(server.request(body)));
        upload.send_data(Bytes::from_static(b"or")).await.unwrap();
        if point == Point::Upload {
            // The head is with the server, the rest of the body never is.
            tokio::time::sleep(Duration::from_millis(20)).await;
        } else {
            upload.send_data(Bytes::from_static(b"der")).await.unwrap();
            drop(upload);
            server.gate.is_reached().await;
        }
        if point == Point::Stream {
            let mut response = call.await.unwrap().unwrap();
            let first = response.body_mut().frame().await.unwrap().unwrap();
            assert_eq!(first.into_data().unwrap(), "run 1");
            // Dropped before its end: RST_STREAM.
            drop(response);
        } else {
            // Dropped before its head: RST_STREAM.
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        server.assert_nothing_lost(point).await;
        assert!(!connection.is_finished(), "the connection lives on");
        drop(client);
    }
}
