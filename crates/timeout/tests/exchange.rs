//! Behaviour of `TimeoutLayer::new`, poll by poll on a paused clock.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::task::Poll;
use std::time::Duration;

use buttress_body::CollectLayer;
use buttress_classify::{Class, Health, Opinion, Sent, Verdict, find};
use buttress_deadline::Deadline;
use buttress_timeout::{Elapsed, Phase, TimeoutBody, TimeoutLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
use tower_layer::Layer;
use tower_test::mock;

const LIMIT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(1);

/// A response body that is fed by the test.
type Fed = Channel<Bytes, Infallible>;

/// A body as a task of its own, polled by hand.
struct Reading(task::Spawn<TimeoutBody<Fed>>);

impl Reading {
    fn poll(&mut self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.enter(|cx, body| body.poll_frame(cx))
    }

    fn data(&mut self) -> Bytes {
        assert_ready!(self.poll())
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
    }

    fn elapsed(&mut self) -> Elapsed {
        let error = assert_ready!(self.poll()).unwrap().unwrap_err();
        *error.downcast().unwrap()
    }
}

/// A response whose head has come at once.
async fn read(layer: TimeoutLayer, request: Request<()>) -> (Sender<Bytes, Infallible>, Reading) {
    let (feed, body) = Fed::new(4);
    let mut body = Some(body);
    let service = layer.layer(service_fn(move |_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(body.take().unwrap())))
    }));
    let response = service.oneshot(request).await.unwrap();
    (feed, Reading(task::spawn(response.into_body())))
}

/// A call that waits for its head for ever.
async fn hang(layer: TimeoutLayer, request: Request<()>) -> BoxError {
    let inner = service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    layer
        .layer(inner)
        .oneshot(request)
        .await
        .map(drop)
        .unwrap_err()
}

fn due(limit: Duration) -> Request<()> {
    let mut request = Request::new(());
    Deadline::after(Instant::now(), limit).tighten(request.extensions_mut());
    request
}

fn elapsed(error: &BoxError) -> &Elapsed {
    error.downcast_ref().unwrap()
}

fn verdict(error: &(dyn std::error::Error + 'static)) -> Verdict {
    find::<Opinion>(error).unwrap().verdict
}

#[tokio::test(start_paused = true)]
async fn a_late_head_fails_the_call() {
    let begun = Instant::now();
    let error = hang(TimeoutLayer::new(LIMIT), Request::new(())).await;
    assert_eq!(begun.elapsed(), LIMIT);
    assert_eq!(elapsed(&error).phase(), Phase::Head);
    assert_eq!(elapsed(&error).limit(), LIMIT);
    assert!(!elapsed(&error).deadline());
    assert_eq!(verdict(&*error).class, Class::Transient);
    assert_eq!(verdict(&*error).sent, Sent::Maybe);
    assert_eq!(verdict(&*error).health, Health::Bad);
}

#[tokio::test(start_paused = true)]
async fn a_head_ready_at_the_limit_wins() {
    let (mut service, mut server) =
        mock::spawn_with(|mock: mock::Mock<Request<()>, Response<Full<Bytes>>>| {
            TimeoutLayer::new(LIMIT).layer(mock)
        });
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(Request::new(())));
    assert_pending!(call.poll());
    let (_, answer) = server.next_request().await.unwrap();
    answer.send_response(Response::default());
    advance(2 * LIMIT).await;
    assert_ready_ok!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn head_and_body_share_one_limit() {
    let (feed, body) = Fed::new(1);
    let (mut service, mut server) =
        mock::spawn_with(|mock: mock::Mock<Request<()>, Response<Fed>>| {
            TimeoutLayer::new(LIMIT).layer(mock)
        });
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(Request::new(())));
    assert_pending!(call.poll());
    advance(LIMIT / 2).await;
    assert_pending!(call.poll());
    let (_, answer) = server.next_request().await.unwrap();
    answer.send_response(Response::new(body));
    let mut body = Reading(task::spawn(assert_ready_ok!(call.poll()).into_body()));

    assert_pending!(body.poll());
    advance((LIMIT / 2).saturating_sub(TICK)).await;
    assert_pending!(body.poll());
    advance(TICK).await;
    assert!(body.0.is_woken());
    let elapsed = body.elapsed();
    assert_eq!(elapsed.phase(), Phase::Body);
    assert_eq!(elapsed.limit(), LIMIT);
    assert_eq!(elapsed.to_string(), "response body unfinished after 10s");
    assert_eq!(verdict(&elapsed).class, Class::Transient);
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn frames_do_not_extend_the_limit_of_the_whole() {
    let (mut feed, mut body) = read(TimeoutLayer::new(LIMIT), Request::new(())).await;
    assert_pending!(body.poll());
    for _ in 0..9 {
        advance(Duration::from_secs(1)).await;
        feed.send_data(Bytes::from("drip")).await.unwrap();
        assert_eq!(body.data(), "drip");
        assert_pending!(body.poll());
    }
    advance(Duration::from_secs(1)).await;
    assert_eq!(body.elapsed().phase(), Phase::Body);
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_the_body() {
    let (feed, mut body) = read(TimeoutLayer::new(LIMIT), Request::new(())).await;
    assert_pending!(body.poll());
    advance(LIMIT).await;
    assert!(!body.0.is_end_stream());
    body.elapsed();
    assert!(body.0.is_end_stream());
    assert!(assert_ready!(body.poll()).is_none());
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_waited_for_its_reader_is_no_timeout() {
    let layer = TimeoutLayer::new(LIMIT).idle(IDLE);
    let (mut feed, mut body) = read(layer, Request::new(())).await;
    assert_pending!(body.poll());
    feed.send_data(Bytes::from("early")).await.unwrap();
    advance(2 * LIMIT).await;
    assert_eq!(body.data(), "early");
    drop(feed);
    assert!(assert_ready!(body.poll()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_pauses_between_frames_is_not_idle() {
    let layer = TimeoutLayer::new(Duration::MAX).idle(IDLE);
    let (mut feed, mut body) = read(layer, Request::new(())).await;
    for _ in 0..3 {
        assert_pending!(body.poll());
        advance(IDLE.saturating_sub(TICK)).await;
        assert_pending!(body.poll());
        feed.send_data(Bytes::from("frame")).await.unwrap();
        assert_eq!(body.data(), "frame");
        advance(2 * IDLE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_sending_is_idle() {
    let layer = TimeoutLayer::new(LIMIT).idle(IDLE);
    let (mut feed, mut body) = read(layer, Request::new(())).await;
    for _ in 0..2 {
        feed.send_data(Bytes::from("frame")).await.unwrap();
        assert_eq!(body.data(), "frame");
        assert_pending!(body.poll());
        advance(IDLE.saturating_sub(TICK)).await;
        assert_pending!(body.poll());
    }
    advance(TICK).await;
    assert!(body.0.is_woken());
    let elapsed = body.elapsed();
    assert_eq!(elapsed.phase(), Phase::Idle);
    assert_eq!(elapsed.limit(), IDLE);
    assert_eq!(elapsed.to_string(), "response body idle for 2s");
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_whole_ends_a_wait_that_is_not_idle_yet() {
    let layer = TimeoutLayer::new(LIMIT).idle(IDLE);
    let (mut feed, mut body) = read(layer, Request::new(())).await;
    assert_pending!(body.poll());
    for _ in 0..9 {
        advance(LIMIT / 10 + TICK).await;
        feed.send_data(Bytes::from("frame")).await.unwrap();
        assert_eq!(body.data(), "frame");
        assert_pending!(body.poll());
    }
    advance((LIMIT / 10).saturating_sub(9 * TICK)).await;
    assert_eq!(body.elapsed().phase(), Phase::Body);
}

#[tokio::test(start_paused = true)]
async fn an_outer_deadline_cuts_the_head() {
    let begun = Instant::now();
    let error = hang(TimeoutLayer::new(LIMIT), due(IDLE)).await;
    assert_eq!(begun.elapsed(), IDLE);
    assert!(elapsed(&error).deadline());
    assert_eq!(elapsed(&error).phase(), Phase::Head);
    assert_eq!(elapsed(&error).limit(), LIMIT);
    assert_eq!(error.to_string(), "call unfinished at its deadline");
    assert_eq!(verdict(&*error).class, Class::Permanent);
    assert_eq!(verdict(&*error).sent, Sent::Maybe);
    assert_eq!(verdict(&*error).health, Health::Bad);
}

#[tokio::test(start_paused = true)]
async fn an_outer_deadline_cuts_the_body() {
    let (feed, mut body) = read(TimeoutLayer::new(LIMIT), due(IDLE)).await;
    assert_pending!(body.poll());
    advance(IDLE).await;
    let elapsed = body.elapsed();
    assert!(elapsed.deadline());
    assert_eq!(elapsed.phase(), Phase::Body);
    assert_eq!(verdict(&elapsed).class, Class::Permanent);
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn its_own_limit_counts_if_it_is_earlier_than_the_deadline() {
    let begun = Instant::now();
    let error = hang(TimeoutLayer::new(LIMIT), due(2 * LIMIT)).await;
    assert_eq!(begun.elapsed(), LIMIT);
    assert!(!elapsed(&error).deadline());
}

#[tokio::test(start_paused = true)]
async fn at_the_same_instant_the_deadline_counts() {
    let error = hang(TimeoutLayer::new(LIMIT), due(LIMIT)).await;
    assert!(elapsed(&error).deadline());
}

#[tokio::test(start_paused = true)]
async fn a_call_past_its_deadline_is_not_made() {
    let service = TimeoutLayer::new(LIMIT).layer(service_fn(
        async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
            panic!("nobody waits for the answer")
        },
    ));
    let request = due(IDLE);
    advance(IDLE).await;
    let error = service.oneshot(request).await.unwrap_err();
    assert!(elapsed(&error).deadline());
    assert_eq!(verdict(&*error).class, Class::Permanent);
    assert_eq!(verdict(&*error).sent, Sent::No);
    assert_eq!(verdict(&*error).health, Health::Neutral);
}

/// The deadline that the inner service is told.
async fn told(layer: TimeoutLayer, request: Request<()>) -> Option<Deadline> {
    let service = layer.layer(service_fn(async |request: Request<()>| {
        let mut response = Response::new(Full::<Bytes>::default());
        if let Some(deadline) = Deadline::of(request.extensions()) {
            response.extensions_mut().insert(deadline);
        }
        Ok::<_, Infallible>(response)
    }));
    Deadline::of(service.oneshot(request).await.unwrap().extensions())
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_written_only_if_told_and_never_made_later() {
    let now = Instant::now();
    let plain = TimeoutLayer::new(LIMIT);
    assert_eq!(told(plain, Request::new(())).await, None);
    assert_eq!(
        told(plain, due(IDLE)).await,
        Some(Deadline::after(now, IDLE))
    );

    let late = Some(Deadline::after(now, 2 * LIMIT));
    assert_eq!(told(plain, due(2 * LIMIT)).await, late);

    let writing = plain.deadline();
    assert_eq!(
        told(writing, Request::new(())).await,
        Some(Deadline::after(now, LIMIT))
    );
    assert_eq!(
        told(writing, due(IDLE)).await,
        Some(Deadline::after(now, IDLE))
    );
    assert_eq!(
        told(writing, due(2 * LIMIT)).await,
        Some(Deadline::after(now, LIMIT))
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_it_wrote_itself_is_its_own_limit() {
    let error = hang(TimeoutLayer::new(LIMIT).deadline(), Request::new(())).await;
    assert!(!elapsed(&error).deadline());
    assert_eq!(elapsed(&error).limit(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_written_deadline_runs_from_the_call() {
    let (mut service, mut server) =
        mock::spawn_with(|mock: mock::Mock<Request<()>, Response<Fed>>| {
            TimeoutLayer::new(LIMIT).deadline().layer(mock)
        });
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(Request::new(())));
    advance(LIMIT).await;
    let _ = assert_ready_err!(call.poll());
    assert!(server.next_request().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_operation_bounds_its_attempts_by_the_deadline_it_wrote() {
    let inner = service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(IDLE).deadline())
        .layer(TimeoutLayer::new(LIMIT))
        .service(inner);
    let begun = Instant::now();
    let error = stack.oneshot(Request::new(())).await.map(drop).unwrap_err();
    assert_eq!(begun.elapsed(), IDLE);
    assert!(
        elapsed(&error).deadline(),
        "the attempt knew that the operation was over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_of_a_collected_response_is_a_failed_call() {
    let (feed, body) = Fed::new(1);
    let mut body = Some(body);
    let inner = service_fn(move |_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(body.take().unwrap())))
    });
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(LIMIT))
        .layer(CollectLayer::up_to(1024))
        .service(inner);
    let error = stack.oneshot(Request::new(())).await.map(drop).unwrap_err();
    assert_eq!(elapsed(&error).phase(), Phase::Head);
    drop(feed);
}

#[tokio::test]
async fn length_end_and_trailers_of_the_body_are_kept() {
    let whole = |body: Full<Bytes>| async move {
        let service = TimeoutLayer::new(LIMIT).layer(service_fn(move |_: Request<()>| {
            ready(Ok::<_, Infallible>(Response::new(body.clone())))
        }));
        service.oneshot(Request::new(())).await.unwrap().into_body()
    };
    let body = whole(Full::from("hello")).await;
    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
    assert!(whole(Full::default()).await.is_end_stream());

    let (mut feed, body) = read(TimeoutLayer::new(LIMIT), Request::new(())).await;
    feed.send_trailers(
        [("a".parse().unwrap(), "b".parse().unwrap())]
            .into_iter()
            .collect(),
    )
    .await
    .unwrap();
    drop(feed);
    let whole = body.0.into_inner().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["a"], "b");
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_too_large() {
    let layer = TimeoutLayer::new(Duration::MAX)
        .idle(Duration::MAX)
        .deadline();
    let (mut feed, mut body) = read(layer, Request::new(())).await;
    assert_pending!(body.poll());
    advance(Duration::from_secs(60 * 60 * 24 * 365)).await;
    assert_pending!(body.poll());
    feed.send_data(Bytes::from("at last")).await.unwrap();
    assert_eq!(body.data(), "at last");
}

#[tokio::test(start_paused = true)]
async fn no_time_at_all_still_takes_what_is_there() {
    let layer = TimeoutLayer::new(Duration::ZERO).idle(Duration::ZERO);
    let (mut feed, mut body) = read(layer, Request::new(())).await;
    feed.send_data(Bytes::from("there")).await.unwrap();
    assert_eq!(body.data(), "there");
    assert_eq!(body.elapsed().limit(), Duration::ZERO);

    let error = assert_ready!(task::spawn(hang(layer, Request::new(()))).poll());
    assert_eq!(elapsed(&error).phase(), Phase::Head);
}

#[tokio::test]
async fn the_service_inside_can_be_reached() {
    let mut service = TimeoutLayer::new(LIMIT).layer(7);
    *service.get_mut() += 1;
    assert_eq!(*service.get_ref(), 8);
    assert_eq!(service.into_inner(), 8);
}

#[test]
fn what_it_makes_is_unpin_and_can_be_shared() {
    fn assert_body<T: Send + Sync + Unpin>() {}
    fn assert_error<T: Send + Sync + 'static>() {}
    assert_body::<TimeoutBody<Full<Bytes>>>();
    assert_error::<Elapsed>();
}
