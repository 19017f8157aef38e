//! A rejected response is read to its end while the backoff runs.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_body::ReplayBody;
use buttress_retry::RetryLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, ServiceExt, service_fn};

use crate::peer::get;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A body that yields each frame after its pause, and notes when it was let go and how far it had come.
struct Drip {
    frames: VecDeque<(Duration, usize)>,
    pause: Option<Pin<Box<Sleep>>>,
    length: u64,
    read: usize,
    log: Arc<Mutex<Vec<LetGo>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct LetGo {
    at: Instant,
    read: usize,
}

impl Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((pause, size)) = self.frames.front().copied() else {
            return Poll::Ready(None);
        };
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(pause)));
        ready!(pause.as_mut().poll(cx));
        self.pause = None;
        self.frames.pop_front();
        self.read += size;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; size])))))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.length);
        hint
    }
}

impl Drop for Drip {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(LetGo {
            at: Instant::now(),
            read: self.read,
        });
    }
}

struct Run {
    /// When the rejected body was let go, and when the second attempt came, after the first answer.
    let_go: Duration,
    read: usize,
    resent: Duration,
}

/// A first answer of 503 with these frames and this promised length; then a 200.
async fn run(
    backoff: Duration,
    length: u64,
    frames: impl IntoIterator<Item = (Duration, usize)>,
) -> Run {
    let log = Arc::default();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let mut first = Some(frames.into_iter().collect::<VecDeque<_>>());
    let peer = {
        let (log, calls) = (Arc::clone(&log), Arc::clone(&calls));
        move |_: Request<ReplayBody<crate::peer::Body>>| {
            calls.lock().unwrap().push(Instant::now());
            let mut response = Response::new(Drip {
                frames: first.clone().unwrap_or_default(),
                pause: None,
                length,
                read: 0,
                log: Arc::clone(&log),
            });
            if calls.lock().unwrap().len() == 1 {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            } else {
                first = None;
            }
            std::future::ready(Ok::<_, Infallible>(response))
        }
    };
    let start = Instant::now();
    let layer = RetryLayer::new().backoff(Backoff::constant(backoff).jitter(Jitter::None));
    layer.layer(service_fn(peer)).oneshot(get()).await.unwrap();

    let let_go = log.lock().unwrap()[0];
    let resent = calls.lock().unwrap()[1];
    Run {
        let_go: let_go.at - start,
        read: let_go.read,
        resent: resent - start,
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_body_is_read_to_its_end_and_let_go_at_once() {
    let run = run(millis(1000), 0, [(millis(5), 100), (millis(15), 200)]).await;
    assert_eq!((run.let_go, run.read), (millis(20), 300));
    assert_eq!(run.resent, millis(1000));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_let_go_after_fifty_milliseconds() {
    let run = run(millis(1000), 0, [(millis(5), 100), (millis(60_000), 1)]).await;
    assert_eq!((run.let_go, run.read), (millis(50), 100));
    assert_eq!(run.resent, millis(1000));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_let_go_after_64_kib() {
    let run = run(
        millis(1000),
        0,
        std::iter::repeat_n((millis(1), 16 * 1024), 100),
    )
    .await;
    assert_eq!((run.let_go, run.read), (millis(5), 80 * 1024));
}

#[test]
fn a_body_of_empty_frames_is_let_go_too() {
    assert_eq!(read_at_hand(Bytes::new(), 70_000), 64 * 1024 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_promises_to_be_long_is_not_begun() {
    let run = run(millis(1000), 64 * 1024 + 1, [(millis(0), 100)]).await;
    assert_eq!((run.let_go, run.read), (millis(0), 0));
}

#[tokio::test(start_paused = true)]
async fn reading_never_prolongs_the_wait() {
    let run = run(millis(10), 0, [(millis(60_000), 1)]).await;
    assert_eq!((run.let_go, run.resent), (millis(10), millis(10)));
}

#[test]
fn without_a_wait_no_timer_is_made_and_what_is_at_hand_is_read() {
    assert_eq!(read_at_hand(Bytes::from_static(b"x"), 3), 3);
}

/// Rejects a response with so many frames, all of them ready, and retries it without any wait.
/// Outside a runtime, where a timer would panic. How many of the frames were asked for.
fn read_at_hand(frame: Bytes, frames: usize) -> usize {
    let read = Arc::default();
    let mut calls = 0;
    let peer = {
        let read = Arc::clone(&read);
        service_fn(move |_: Request<ReplayBody<crate::peer::Body>>| {
            calls += 1;
            let mut response = Response::new(AtHand {
                frame: frame.clone(),
                frames,
                read: Arc::clone(&read),
            });
            if calls == 1 {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            std::future::ready(Ok::<_, Infallible>(response))
        })
    };
    let layer = RetryLayer::new().backoff(Backoff::constant(Duration::ZERO));
    let mut call = tokio_test::task::spawn(layer.layer(peer).oneshot(get()));
    assert!(call.poll().is_ready());
    read.load(Ordering::Relaxed)
}

/// A body whose frames are all ready.
struct AtHand {
    frame: Bytes,
    frames: usize,
    read: Arc<AtomicUsize>,
}

impl Body for AtHand {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.read.load(Ordering::Relaxed) == self.frames {
            return Poll::Ready(None);
        }
        self.read.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }
}
