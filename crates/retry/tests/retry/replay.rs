//! What is copied of a request, and what cannot be sent again.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_body::{ReplayBody, Superseded};
use buttress_key::Profile;
use buttress_retry::{Attempts, Reason, RetryLayer};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, ServiceExt, service_fn};

use crate::peer::{Body, Peer, get, keyed, post, request, send, status, story};

/// Counts its clones.
#[derive(Default)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

fn immediate() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::constant(Duration::ZERO))
}

async fn clones(layer: RetryLayer, mut request: Request<Body>, failures: usize) -> usize {
    let counted = Counted::default();
    let count = Arc::clone(&counted.0);
    request.extensions_mut().insert(counted);
    let peer = Peer::new(std::iter::repeat_n(status(503), failures));
    send(&layer, &peer, request).await.unwrap();
    count.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_works_at_once_costs_one_copy_and_the_last_attempt_none() {
    assert_eq!(clones(immediate(), get(), 0).await, 1);
    assert_eq!(clones(immediate(), get(), 1).await, 2);
    assert_eq!(clones(immediate(), get(), 3).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_repeated_is_not_copied() {
    let once = immediate().attempts(NonZeroU32::MIN);
    assert_eq!(clones(once, get(), 1).await, 0);

    let small = immediate().replay_cap(7);
    assert_eq!(clones(small, request(Method::PUT), 1).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_is_sent_whole_and_once() {
    let peer = Peer::new([status(503)]);
    let layer = immediate().replay_cap(7);
    let response = send(&layer, &peer, request(Method::PUT)).await.unwrap();

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let story = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(story.stopped, Reason::NotReplayable);
    assert_eq!(peer.seen()[0].body, "question");

    let peer = Peer::new([status(503)]);
    let layer = immediate().replay_cap(8);
    send(&layer, &peer, request(Method::PUT)).await.unwrap();
    assert_eq!(peer.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_request_that_cannot_be_repeated_is_known_when_its_answer_comes() {
    let layer = immediate().profile(Profile::stripe_v1()).replay_cap(7);
    let answered = async |request| {
        let peer = Peer::new([status(409)]);
        let answered = send(&layer, &peer, request).await;
        assert_eq!(peer.seen()[0].body, "question");
        story(&answered).map(|story| story.stopped)
    };
    // In flight to a provider that knows the key, and no cause to repeat anything to another.
    assert_eq!(answered(keyed()).await, Some(Reason::NotReplayable));
    assert_eq!(answered(post()).await, None);
}

/// Sends a stream of `chunks` of four bytes to a peer that reads `read` of them and then answers 503,
/// until the last attempt, which it reads whole. Returns the response and what each attempt read.
async fn stream(chunks: usize, read: usize, cap: usize) -> (Response<Full<Bytes>>, Vec<usize>) {
    let lengths = Arc::new(std::sync::Mutex::new(Vec::new()));
    let peer = {
        let lengths = Arc::clone(&lengths);
        service_fn(move |request: Request<ReplayBody<_>>| {
            let lengths = Arc::clone(&lengths);
            async move {
                let mut body = request.into_body();
                let first = lengths.lock().unwrap().is_empty();
                let (mut length, mut frames) = (0, 0);
                while !first || frames < read {
                    let Some(frame) = body.frame().await else {
                        break;
                    };
                    length += frame.unwrap().into_data().unwrap().len();
                    frames += 1;
                }
                lengths.lock().unwrap().push(length);
                let mut response = Response::new(Full::default());
                if first {
                    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let frames = (0..chunks).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"four"))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::put("/").body(body).unwrap();
    let layer = immediate().replay_cap(cap);
    let response = layer.layer(peer).oneshot(request).await.unwrap();
    let lengths = lengths.lock().unwrap().clone();
    (response, lengths)
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_repeated_from_its_first_byte_however_much_of_it_was_read() {
    for read in 0..=5 {
        let (response, lengths) = stream(4, read, 16).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(lengths, [read.min(4) * 4, 16]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_over_the_cap_loses_the_retry_alone() {
    let (response, lengths) = stream(4, 5, 15).await;
    assert_eq!(lengths, [16]);
    let story = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(story.stopped, Reason::NotReplayable);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_is_the_reason_whether_that_was_known_before_or_not() {
    let layer = immediate().replay_cap(7);
    let known = send(&layer, &Peer::new([status(503)]), post()).await;
    assert_eq!(story(&known).unwrap().stopped, Reason::NotReplayable);

    let frames = ["ques", "tion"].map(|data| Ok::<_, Infallible>(Frame::data(Bytes::from(data))));
    let mut streamed = Request::new(StreamBody::new(futures_util::stream::iter(frames)));
    *streamed.method_mut() = Method::POST;
    let answered = layer
        .layer(Peer::new([status(503)]))
        .oneshot(streamed)
        .await;
    assert_eq!(story(&answered).unwrap().stopped, Reason::NotReplayable);
}

#[tokio::test(start_paused = true)]
async fn a_stream_answered_before_it_passed_the_cap_is_repeated() {
    let (response, lengths) = stream(4, 2, 8).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(lengths, [8, 16]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_answered_early_cannot_read_on_while_the_backoff_runs() {
    let first = Arc::new(std::sync::Mutex::new(None));
    let lengths = Arc::new(std::sync::Mutex::new(Vec::new()));
    let peer = {
        let (first, lengths) = (Arc::clone(&first), Arc::clone(&lengths));
        service_fn(move |request: Request<ReplayBody<_>>| {
            let (first, lengths) = (Arc::clone(&first), Arc::clone(&lengths));
            async move {
                let mut body = request.into_body();
                let mut response = Response::new(Full::<Bytes>::default());
                if first.lock().unwrap().is_none() {
                    // Answered after the first frame; the connection holds on to the body.
                    body.frame().await.unwrap().unwrap();
                    *first.lock().unwrap() = Some(body);
                    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                } else {
                    let whole = body.collect().await.unwrap().to_bytes();
                    lengths.lock().unwrap().push(whole.len());
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let frames = (0..4).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"four"))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::put("/").body(body).unwrap();
    let layer = RetryLayer::new()
        .backoff(Backoff::constant(Duration::from_secs(1)).jitter(Jitter::None))
        .replay_cap(8);
    let mut call = tokio_test::task::spawn(layer.layer(peer).oneshot(request));
    tokio_test::assert_pending!(call.poll());

    let mut held = first.lock().unwrap().take().unwrap();
    let error = held.frame().await.unwrap().unwrap_err();
    assert!(error.downcast_ref::<Superseded>().is_some(), "{error}");
    *first.lock().unwrap() = Some(held);

    let response = call.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*lengths.lock().unwrap(), [16]);
}
