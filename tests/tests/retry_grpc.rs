//! `RetryLayer` over tonic's channel, against a gRPC server that is unavailable at first.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_body::ReplayBody;
use buttress_classify::GrpcClassifier;
use buttress_retry::{Attempts, Reason, RetryLayer};
use bytes::{Buf, BufMut, Bytes};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tower::ServiceBuilder;

const GET: &str = "/shop.Orders/Get";
const CREATE: &str = "/shop.Orders/Create";

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A response whose head says it all.
fn trailers_only(code: Code) -> Answer {
    let mut response = Response::new(Empty::new().boxed_unsync());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(code as i32));
    response
}

/// One message, and OK in the trailers.
fn message(text: &[u8]) -> Answer {
    let mut data = vec![0];
    data.put_u32(u32::try_from(text.len()).unwrap());
    data.extend_from_slice(text);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Frame::data(Bytes::from(data)), Frame::trailers(trailers)];
    let body = StreamBody::new(stream::iter(frames.map(Ok)));
    let mut response = Response::new(BodyExt::boxed_unsync(body));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// Serves on a port of its own: `code` for the first `failures` calls, then the request's message
/// back. Counts the calls.
async fn serve(code: Code, failures: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let calls = Arc::clone(&counted);
            let service = hyper::service::service_fn(move |request: Request<_>| {
                let fail = calls.fetch_add(1, Ordering::Relaxed) < failures;
                async move {
                    let body: hyper::body::Incoming = request.into_body();
                    let request = body.collect().await?.to_bytes();
                    Ok::<_, hyper::Error>(if fail {
                        trailers_only(code)
                    } else {
                        message(&request[5..])
                    })
                }
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, calls)
}

/// Messages that are bytes.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Calls `path` with the message `hello` through the layer and tonic's own client.
async fn call(url: String, path: &'static str) -> Result<tonic::Response<Bytes>, Status> {
    let channel = Endpoint::from_shared(url).unwrap().connect_lazy();
    let backoff = Backoff::constant(Duration::from_millis(5)).jitter(Jitter::None);
    let stack = ServiceBuilder::new()
        .layer(
            RetryLayer::new()
                .backoff(backoff)
                .classify(GrpcClassifier)
                .safe_when(|head| head.uri.path() == GET),
        )
        .map_request(|request: Request<ReplayBody<tonic::body::Body>>| {
            request.map(tonic::body::Body::new)
        })
        .service(channel);
    let mut client = Grpc::new(stack);
    client.ready().await.unwrap();
    let request = tonic::Request::new(Bytes::from_static(b"hello"));
    let path = http::uri::PathAndQuery::from_static(path);
    tokio::time::timeout(Duration::from_secs(10), client.unary(request, path, Raw))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_declared_safe_is_repeated_with_its_message_until_it_works() {
    let (url, calls) = serve(Code::Unavailable, 2).await;
    let response = call(url, GET).await.unwrap();

    assert_eq!(calls.load(Ordering::Relaxed), 3);
    let story = response.extensions().get::<Attempts>().unwrap();
    assert_eq!((story.count.get(), story.stopped), (3, Reason::Success));
    assert_eq!(response.into_inner(), "hello");
}

#[tokio::test]
async fn a_call_that_nobody_declared_safe_is_not_repeated() {
    let (url, calls) = serve(Code::Unavailable, 2).await;
    let status = call(url, CREATE).await.unwrap_err();

    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_status_that_will_not_change_is_not_repeated() {
    let (url, calls) = serve(Code::InvalidArgument, 2).await;
    let status = call(url, GET).await.unwrap_err();

    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_call_that_could_not_connect_is_repeated_even_if_it_is_not_safe() {
    let refusing = tests::peer::Refusing::start().unwrap();
    let status = call(refusing.http().unwrap(), CREATE).await.unwrap_err();

    let error = std::error::Error::source(&status).expect("a cause");
    let exhausted = buttress_classify::find::<buttress_retry::Exhausted>(error).unwrap();
    assert_eq!(exhausted.attempts().count.get(), 3);
}
