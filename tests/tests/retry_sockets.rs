//! `RetryLayer` over each client's own connections, against a peer that misbehaves to the byte.

use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_classify::Sent;
use buttress_key::Profile;
use buttress_reqwest::Reqwest;
use buttress_retry::{Attempts, Exhausted, Outcome, Reason, RetryLayer};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper_util::client::legacy::Client as HyperUtil;
use hyper_util::rt::TokioExecutor;
use tests::clients::{Body, BoxError, Client, Kind, Settings, Version};
use tests::peer::Step::{self, Read, ReadHead, Reset, Wait};
use tests::peer::frames::{self, goaway, head, reset, settings};
use tests::peer::{Peer, Plan, Refusing};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt};

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// How an operation ended.
#[derive(Debug)]
struct End {
    status: Option<u16>,
    story: Option<Attempts>,
}

impl End {
    fn stopped(&self) -> Option<Reason> {
        self.story.map(|story| story.stopped)
    }
}

/// Sends one request through the layer and a new client of this kind, over HTTP/1.
async fn send(kind: Kind, layer: RetryLayer, request: Request<Body>) -> End {
    send_over(Version::One, kind, layer, request).await
}

async fn send_over(version: Version, kind: Kind, layer: RetryLayer, request: Request<Body>) -> End {
    let call = async {
        let told = match Client::new(Settings::new(kind, version))? {
            // Of another type of body than the tests' own.
            Client::HyperUtil(_) => {
                let client = HyperUtil::builder(TokioExecutor::new())
                    .http2_only(version == Version::Two)
                    .retry_canceled_requests(false)
                    .build_http();
                told(layer.layer(client).oneshot(request).await)
            }
            Client::Reqwest012(client) => {
                told(layer.layer(Reqwest::new(client)).oneshot(request).await)
            }
            Client::Reqwest013(client) => {
                told(layer.layer(Reqwest::new(client)).oneshot(request).await)
            }
        };
        Ok::<_, BoxError>(told)
    };
    tokio::time::timeout(LIMIT, call).await.unwrap().unwrap()
}

fn told<B>(result: Result<http::Response<B>, BoxError>) -> End {
    match result {
        Ok(response) => End {
            status: Some(response.status().as_u16()),
            story: response.extensions().get().copied(),
        },
        Err(error) => End {
            status: None,
            story: buttress_classify::find::<Exhausted>(&*error)
                .map(|exhausted| *exhausted.attempts()),
        },
    }
}

fn quick() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::constant(Duration::from_millis(5)).jitter(Jitter::None))
}

fn request(method: Method, url: &str, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().unwrap();
    request
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn full(length: usize) -> Body {
    let bytes = Bytes::from(vec![b'x'; length]);
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

async fn peer(plans: impl IntoIterator<Item = Plan>) -> Peer {
    Peer::start(plans).await.unwrap()
}

#[tokio::test]
async fn a_503_is_retried_over_the_same_connection_once_its_body_has_been_read() {
    for kind in Kind::ALL {
        // The body comes while the backoff runs; a second connection would be reset.
        let told = Arc::new(Notify::new());
        let (head, body) = BUSY.split_at(BUSY.len() - 4);
        let plan = vec![
            ReadHead,
            Step::write(head),
            Wait(Arc::clone(&told)),
            Step::write(body),
            ReadHead,
            Step::write(OK),
            Step::Hang,
        ];
        let peer = peer([plan, vec![Reset]]).await;
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            told.notify_one();
        });
        let layer =
            quick().backoff(Backoff::constant(Duration::from_millis(200)).jitter(Jitter::None));
        let end = send(kind, layer, request(Method::GET, &peer.http(), empty())).await;
        assert_eq!(end.status, Some(200), "{kind:?} {end:?}");
        assert_eq!(end.story.unwrap().count.get(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_reset_is_retried_on_a_new_connection() {
    for kind in Kind::ALL {
        let peer = peer([vec![ReadHead, Reset], vec![ReadHead, Step::write(OK)]]).await;
        let end = send(kind, quick(), request(Method::GET, &peer.http(), empty())).await;
        assert_eq!(end.status, Some(200), "{kind:?} {end:?}");
        let story = end.story.unwrap();
        assert_eq!(
            (story.count.get(), story.sent),
            (2, Sent::Maybe),
            "{kind:?}"
        );
        assert_eq!(story.outcome, Outcome::Definite, "{kind:?}");
    }
}

#[tokio::test]
async fn a_post_is_retried_while_no_connection_could_be_made() {
    for kind in Kind::ALL {
        let port = Refusing::start().unwrap();
        let request = request(Method::POST, &port.http().unwrap(), full(10));
        let end = send(kind, quick(), request).await;
        let story = end.story.expect("more than one attempt");
        assert_eq!(story.count.get(), 3, "{kind:?}");
        assert_eq!(story.stopped, Reason::Attempts, "{kind:?}");
        assert_eq!(story.outcome, Outcome::NotExecuted, "{kind:?}");
    }
}

/// A provider that ignores keys: it charges for what it has read, then resets the connection.
async fn charges(kind: Kind, layer: RetryLayer) -> (usize, End) {
    let peer = peer([vec![ReadHead, Read(10), Reset]]).await;
    let mut request = request(Method::POST, &peer.http(), full(10));
    let headers = request.headers_mut();
    headers.insert("idempotency-key", "order-1".parse().unwrap());
    let end = send(kind, layer, request).await;
    let mut served = peer.served();
    let charged = tokio::time::timeout(LIMIT, served.wait_for(|served| *served > 0)).await;
    (*charged.unwrap().unwrap(), end)
}

#[tokio::test]
async fn a_provider_that_ignores_keys_charges_once() {
    for kind in Kind::ALL {
        let (charges, end) = charges(kind, quick()).await;
        assert_eq!(charges, 1, "{kind:?} {end:?}");
        assert!(end.status.is_none() && end.story.is_none(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_promise_that_the_provider_does_not_keep_charges_again() {
    // What the declared profile is for, and why it is never guessed from a header.
    for kind in Kind::ALL {
        let forced = quick().profile(Profile::stripe_v1());
        let (charges, end) = charges(kind, forced).await;
        assert_eq!(charges, 3, "{kind:?} {end:?}");
        assert_eq!(end.story.unwrap().outcome, Outcome::Unknown, "{kind:?}");
    }
}

#[tokio::test]
async fn a_half_sent_post_is_not_repeated_and_a_half_sent_put_is_sent_whole() {
    const LENGTH: usize = 60_000;
    for kind in Kind::ALL {
        let plans = || {
            [
                vec![ReadHead, Read(10), Reset],
                vec![ReadHead, Read(LENGTH), Step::write(OK)],
            ]
        };
        let once = peer(plans()).await;
        let end = send(
            kind,
            quick(),
            request(Method::POST, &once.http(), full(LENGTH)),
        )
        .await;
        assert!(
            end.status.is_none() && end.story.is_none(),
            "{kind:?} {end:?}"
        );
        assert_eq!(*once.served().borrow(), 1, "{kind:?}");

        let twice = peer(plans()).await;
        let end = send(
            kind,
            quick(),
            request(Method::PUT, &twice.http(), full(LENGTH)),
        )
        .await;
        assert_eq!(end.status, Some(200), "{kind:?} {end:?}");
    }
}

/// A stream whose second chunk comes when told, and the bytes that a peer reads of the whole.
fn stream_in_two(second: Arc<Notify>) -> (Body, usize) {
    let frames = stream::iter([Bytes::from_static(b"first")]).chain(stream::once(async move {
        second.notified().await;
        Bytes::from_static(b"second")
    }));
    let body = StreamBody::new(frames.map(|data| Ok::<_, BoxError>(Frame::data(data))));
    // `Sync`, which the stream is not, as `Body` asks.
    let body = BodyExt::boxed(buttress_body::ReplayBody::once(Box::pin(body)));
    (body, b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n".len())
}

#[tokio::test]
async fn a_response_before_the_requests_end_is_retried_with_the_whole_request() {
    for kind in Kind::ALL {
        let second = Arc::new(Notify::new());
        let (body, length) = stream_in_two(Arc::clone(&second));
        let early = BUSY.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        let peer = peer([
            vec![ReadHead, Read(10), Step::write(&early)],
            vec![ReadHead, Read(length), Step::write(OK)],
        ])
        .await;
        let put = request(Method::PUT, &peer.http(), body);
        // The first answer is here long before the rest of the request.
        let later = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            second.notify_one();
        };
        let (end, ()) = tokio::join!(send(kind, quick(), put), later);
        assert_eq!(end.status, Some(200), "{kind:?} {end:?}");
        assert_eq!(end.story.unwrap().count.get(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_stream_over_the_cap_arrives_whole_and_is_not_repeated() {
    for kind in Kind::ALL {
        let peer = peer([
            vec![ReadHead, Read(100), Step::write(BUSY)],
            vec![ReadHead, Read(100), Step::write(OK)],
        ])
        .await;
        let put = request(Method::PUT, &peer.http(), full(100));
        let end = send(kind, quick().replay_cap(99), put).await;
        assert_eq!(end.status, Some(503), "{kind:?}");
        assert_eq!(end.stopped(), Some(Reason::NotReplayable), "{kind:?}");
    }
}

#[tokio::test]
async fn a_post_that_an_http_2_peer_left_unprocessed_is_repeated() {
    for kind in Kind::ALL {
        let request_then = |steps: [Step; 2]| {
            let mut plan = vec![
                Step::ReadPreface,
                Step::Write(settings()),
                Step::ReadRequest,
            ];
            plan.extend(steps);
            plan
        };
        let peer = peer([
            request_then([Step::Write(goaway(0, frames::Reason::NoError)), Step::Fin]),
            request_then([Step::Write(head()), Step::Hang]),
        ])
        .await;
        let post = request(Method::POST, &peer.http(), full(10));
        let end = send_over(Version::Two, kind, quick(), post).await;
        assert_eq!(end.status, Some(200), "{kind:?} {end:?}");
        let story = end.story.unwrap();
        assert_eq!(story.count.get(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_post_that_an_http_2_peer_may_have_processed_is_not_repeated() {
    for kind in Kind::ALL {
        let steps = [
            Step::ReadPreface,
            Step::Write(settings()),
            Step::ReadRequest,
            Step::Write(reset(frames::Reason::InternalError)),
            Step::Hang,
        ];
        let peer = peer([steps.to_vec()]).await;
        let post = request(Method::POST, &peer.http(), full(10));
        let end = send_over(Version::Two, kind, quick(), post).await;
        assert!(
            end.status.is_none() && end.story.is_none(),
            "{kind:?} {end:?}"
        );
    }
}
