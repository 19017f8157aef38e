//! Bodies that are too large, and bodies that come bit by bit: scenarios 30 to 33.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use buttress_idempotency::{CutShort, IdempotencyKeyLayer, Inbound, Recorded};
use buttress_store_memory::MemoryStore;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::channel::Sender;
use http_body_util::{BodyExt, Channel, StreamBody};
use tokio::sync::mpsc;
use tokio_test::{assert_pending, task};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};

use crate::kit::{Body, Flaky, Mode, Runs, inbound, post, see, send, settle};

type Streamed = Channel<Bytes, io::Error>;
type Streaming = BoxCloneSyncService<Request<Body>, Response<Recorded<Streamed>>, Infallible>;

/// A service whose answer's body is written by the test.
fn streaming(
    layer: &IdempotencyKeyLayer<Inbound>,
) -> (Streaming, mpsc::UnboundedReceiver<Sender<Bytes, io::Error>>) {
    streaming_with(layer, None)
}

/// As [`streaming`], of a length that the client is told.
fn streaming_with(
    layer: &IdempotencyKeyLayer<Inbound>,
    length: Option<&'static str>,
) -> (Streaming, mpsc::UnboundedReceiver<Sender<Bytes, io::Error>>) {
    let (give, take) = mpsc::unbounded_channel();
    let handler = tower::service_fn(move |_| {
        let (sender, body) = Channel::new(8);
        give.send(sender).unwrap();
        let mut response = Response::new(body);
        if let Some(length) = length {
            let length = HeaderValue::from_static(length);
            response.headers_mut().insert("content-length", length);
        }
        async { Ok(response) }
    });
    (BoxCloneSyncService::new(layer.layer(handler)), take)
}

async fn next(body: &mut Recorded<Streamed>) -> Option<Bytes> {
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn s30_a_request_over_the_cap_is_refused_whether_its_length_is_known_or_not() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).request_cap(8).build().unwrap();
    let service = runs.numbered(&layer);
    let seen = send(&service, post("k", "123456789")).await;
    assert_eq!((seen.status, &*seen.problem()), (413, "content-too-large"));
    assert_eq!(send(&service, post("k", "12345678")).await.status, 201);

    let chunked =
        tower::service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::default())) });
    let chunks = |count: usize| {
        let chunk = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"123")));
        let body = StreamBody::new(stream::iter((0..count).map(move |_| chunk())));
        post("chunked", "").map(|_| body)
    };
    let chunked = layer.layer(chunked);
    let large = chunked.clone().oneshot(chunks(3)).await.unwrap();
    assert_eq!(large.status(), 413);
    assert_eq!(chunked.oneshot(chunks(2)).await.unwrap().status(), 200);
    // The two that fit, and no bypass for the two that did not.
    assert_eq!(store.calls()[..2], [2, 2]);
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn s30_a_limit_further_out_is_413_too() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let service = layer.layer(tower::service_fn(|_| async {
        Ok::<_, Infallible>(Response::new(Body::default()))
    }));
    let limited = post("k", "order").map(|body| http_body_util::Limited::new(body, 3));
    assert_eq!(service.oneshot(limited).await.unwrap().status(), 413);
}

#[tokio::test]
async fn s31_an_answer_over_the_cap_is_given_whole_and_its_repeat_is_not_executed() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default()).response_cap(4).build();
    let service = runs.numbered(&layer.unwrap());
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 1");

    let again = send(&service, post("k", "order")).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.problem(), "idempotency-answer-not-retained");
    // Final, for our own outbound side and for others: a replay, and no time to wait.
    assert!(again.is_replay() && !again.has("retry-after"));
    assert!(again.text().contains("\"original_status\":201"));
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn an_answer_of_exactly_the_cap_is_kept() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default()).response_cap(5).build();
    let service = runs.numbered(&layer.unwrap());
    send(&service, post("k", "order")).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 1");
}

#[tokio::test(start_paused = true)]
async fn s31_a_stream_over_the_cap_goes_no_faster_than_its_client_reads() {
    let layer = inbound(MemoryStore::default()).response_cap(4).build();
    let (service, mut senders) = streaming(&layer.unwrap());
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    let mut sent = 0;
    let moment = Duration::from_millis(1);
    let frame = Bytes::from_static(b"abc");
    while tokio::time::timeout(moment, sender.send_data(frame.clone()))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 100, "no end without a reader");
    }
    // The 8 of the handler's own channel, and a few frames on their way.
    assert!((8..16).contains(&sent), "{sent} frames without a reader");
    drop(sender);
    let whole = call.await.unwrap().unwrap().into_body().collect().await;
    assert_eq!(whole.unwrap().to_bytes().len(), 3 * sent);
    let again = service.oneshot(post("k", "order")).await.unwrap();
    assert_eq!(again.status(), 409);
}

#[tokio::test(start_paused = true)]
async fn within_the_cap_an_answer_is_recorded_whatever_its_clients_pace() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let (service, mut senders) = streaming(&layer);
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    for _ in 0..1000 {
        sender.send_data(Bytes::from_static(b"abc")).await.unwrap();
    }
    drop(sender);
    let slow = call.await.unwrap().unwrap();
    assert_eq!(layer.executions().drain(Duration::from_secs(1)).await, 0);
    let again = see(service.oneshot(post("k", "order")).await.unwrap()).await;
    assert!(again.is_replay());
    assert_eq!(see(slow).await.body, again.body);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_tiny_frames_waits_for_a_slow_client() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let (service, mut senders) = streaming(&layer);
    let call = tokio::spawn(service.oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    let (mut sent, moment) = (0, Duration::from_millis(1));
    let frame = Bytes::from_static(b".");
    while tokio::time::timeout(moment, sender.send_data(frame.clone()))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 5000, "no end without a reader");
    }
    assert!(sent > 1000, "{sent}");
    drop(sender);
    let whole = call.await.unwrap().unwrap().into_body().collect().await;
    assert_eq!(whole.unwrap().to_bytes().len(), sent);
}

#[tokio::test]
async fn s32_a_streaming_answer_reaches_the_client_before_it_is_whole() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let (service, mut senders) = streaming(&layer);
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    sender.send_data(Bytes::from_static(b"one ")).await.unwrap();
    let mut body = call.await.unwrap().unwrap().into_body();
    // Nothing else is written yet: an event stream does not lag behind.
    assert_eq!(next(&mut body).await.unwrap(), "one ");
    sender.send_data(Bytes::from_static(b"two ")).await.unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "two ");
    sender
        .send_data(Bytes::from_static(b"three"))
        .await
        .unwrap();
    drop(sender);
    assert_eq!(next(&mut body).await.unwrap(), "three");
    assert_eq!(next(&mut body).await, None);

    let again = see(service.oneshot(post("k", "order")).await.unwrap()).await;
    assert!(again.is_replay());
    assert_eq!(again.text(), "one two three");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_answer_waits_for_its_record() {
    // Whoever sees the end finds the record.
    let store = Flaky::default();
    let layer = inbound(store.clone()).build().unwrap();
    let (service, mut senders) = streaming(&layer);
    store.complete_is(Mode::Down);
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    sender.send_data(Bytes::from_static(b"one ")).await.unwrap();
    let mut body = call.await.unwrap().unwrap().into_body();
    assert_eq!(next(&mut body).await.unwrap(), "one ");
    sender.send_data(Bytes::from_static(b"two")).await.unwrap();
    drop(sender);
    settle().await;

    let mut last = task::spawn(Box::pin(async {
        let data = next(&mut body).await;
        (data, next(&mut body).await)
    }));
    assert_pending!(last.poll());
    assert!(store.calls()[1] > 0);
    store.complete_is(Mode::Up);
    let (data, end) = last.await;
    assert_eq!((data.unwrap(), end), (Bytes::from_static(b"two"), None));
    let again = service.oneshot(post("k", "order")).await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
}

#[tokio::test(start_paused = true)]
async fn the_byte_that_completes_a_known_length_waits_for_the_record() {
    // Its client needs no end of the stream to know that it has everything.
    let store = Flaky::default();
    let layer = inbound(store.clone()).build().unwrap();
    let (service, mut senders) = streaming_with(&layer, Some("7"));
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    sender.send_data(Bytes::from_static(b"one ")).await.unwrap();
    let mut body = call.await.unwrap().unwrap().into_body();
    assert_eq!(next(&mut body).await.unwrap(), "one ");
    sender.send_data(Bytes::from_static(b"two")).await.unwrap();
    sender.send_data(Bytes::new()).await.unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("9"));
    store.complete_is(Mode::Down);
    sender.send_trailers(trailers.clone()).await.unwrap();
    settle().await;
    assert_pending!(task::spawn(Box::pin(next(&mut body))).poll());
    assert!(store.calls()[1] > 0);

    store.complete_is(Mode::Up);
    assert_eq!(next(&mut body).await.unwrap(), "two");
    let again = service.oneshot(post("k", "order")).await.unwrap();
    assert_eq!(see(again).await.text(), "one two");
    let rest = body.collect().await.unwrap();
    assert_eq!(rest.trailers(), Some(&trailers));
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn an_answer_longer_than_it_said_still_reaches_its_client() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let (service, mut senders) = streaming_with(&layer, Some("3"));
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    for _ in 0..3 {
        sender.send_data(Bytes::from_static(b"two")).await.unwrap();
    }
    drop(sender);
    let whole = see(call.await.unwrap().unwrap()).await;
    assert_eq!(whole.text(), "twotwotwo");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_in_the_middle_of_a_stream_finds_it_whole_later() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let (service, mut senders) = streaming(&layer);
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    sender.send_data(Bytes::from_static(b"one ")).await.unwrap();
    let mut body = call.await.unwrap().unwrap().into_body();
    assert_eq!(next(&mut body).await.unwrap(), "one ");
    drop(body);
    for _ in 0..40 {
        sender
            .send_data(Bytes::from_static(b"more "))
            .await
            .unwrap();
    }
    drop(sender);
    assert_eq!(layer.executions().drain(Duration::from_secs(1)).await, 0);
    let again = see(service.oneshot(post("k", "order")).await.unwrap()).await;
    assert_eq!(again.body.len(), 4 + 40 * 5);
}

#[tokio::test(start_paused = true)]
async fn s33_an_answer_that_breaks_off_is_not_kept() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let (service, mut senders) = streaming(&layer);
    let call = tokio::spawn(service.clone().oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    sender.send_data(Bytes::from_static(b"half")).await.unwrap();
    let body = call.await.unwrap().unwrap().into_body();
    sender.abort(io::Error::from(io::ErrorKind::BrokenPipe));
    let error = body.collect().await.unwrap_err();
    assert!(error.is::<io::Error>());
    assert_eq!(store.calls()[1], 0);

    let held = service.oneshot(post("k", "order")).await.unwrap();
    assert_eq!(held.status(), 409);
    tokio::time::advance(Duration::from_secs(60)).await;
    let after = runs.numbered(&layer);
    assert_eq!(send(&after, post("k", "order")).await.text(), "run 1");
}

#[tokio::test(start_paused = true)]
async fn s33_a_body_that_panics_breaks_off_and_is_not_kept() {
    let store = Flaky::default();
    let layer = inbound(store.clone()).build().unwrap();
    let service = layer.layer(tower::service_fn(|_| async {
        // The first frame is on its way before the second is asked for.
        let frames = stream::unfold(0, |sent| async move {
            tokio::task::yield_now().await;
            assert!(sent < 1, "a bug in the body");
            let frame = Frame::data(Bytes::from_static(b"."));
            Some((Ok::<_, Infallible>(frame), sent + 1))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(frames))))
    }));
    let broken = service.clone().oneshot(post("k", "order")).await.unwrap();
    let error = broken.into_body().collect().await.unwrap_err();
    assert!(error.is::<CutShort>());
    assert_eq!(store.calls()[1], 0);
    assert_eq!(layer.executions().running(), 0);
    let held = service.oneshot(post("k", "order")).await.unwrap();
    assert_eq!(held.status(), 409);
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_by_the_longest_execution_breaks_off_and_does_not_end() {
    let layer = inbound(MemoryStore::default())
        .max_hold(Duration::from_secs(90))
        .build()
        .unwrap();
    let (service, mut senders) = streaming(&layer);
    let call = tokio::spawn(service.oneshot(post("k", "order")));
    let mut sender = senders.recv().await.unwrap();
    sender.send_data(Bytes::from_static(b"half")).await.unwrap();
    let body = call.await.unwrap().unwrap().into_body();
    let error = body.collect().await.unwrap_err();
    assert!(error.is::<CutShort>());
    drop(sender);
}
