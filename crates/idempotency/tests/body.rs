//! The body that was looked at is handed on as it was.

mod common;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_idempotency::{IdempotencyKeyLayer, Peeked};
use buttress_key::Profile;
use bytes::{Buf, Bytes};
use common::{owned, send, with};
use http::{HeaderMap, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;

/// A step of a body's life.
#[derive(Clone, Debug)]
enum Step {
    Data(&'static [u8]),
    Error,
    Pending,
    Trailers,
}

/// A body that does as it is told, and claims a length if it is told to.
#[derive(Clone, Debug)]
struct Scripted {
    steps: VecDeque<Step>,
    knows_length: bool,
}

impl Scripted {
    fn new(steps: impl IntoIterator<Item = Step>, knows_length: bool) -> Self {
        let steps = steps.into_iter().collect();
        Self {
            steps,
            knows_length,
        }
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(data)) => Some(Ok(Frame::data(Bytes::from_static(data)))),
            Some(Step::Error) => Some(Err("broken".to_owned())),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Trailers) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("digest", "d".parse().unwrap());
                Some(Ok(Frame::trailers(trailers)))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        if self.knows_length {
            SizeHint::with_exact(self.steps.iter().map(length).sum())
        } else {
            SizeHint::new()
        }
    }
}

/// All that a reader of a body sees: what it says of itself before each frame, and the frames.
async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Vec<String>
where
    B::Error: std::fmt::Debug,
{
    let mut seen = Vec::new();
    loop {
        let hint = body.size_hint();
        seen.push(format!(
            "{:?}..={:?} end {}",
            hint.lower(),
            hint.upper(),
            body.is_end_stream()
        ));
        match body.frame().await {
            Some(frame) => seen.push(format!("{frame:?}")),
            None => return seen,
        }
    }
}

async fn handed_on<B: Body + Unpin>(body: B) -> Peeked<B> {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let request = with(Request::post("/").body(body).unwrap(), owned("k"));
    send(&layer, request).await.unwrap().into_body()
}

#[tokio::test]
async fn usual_bodies_are_handed_on_unchanged() {
    assert_eq!(
        read(handed_on(Empty::new()).await).await,
        read(Empty::new()).await
    );
    for text in ["", "a=1"] {
        let body = || Full::new(Bytes::from_static(text.as_bytes()));
        let peeked = handed_on(body()).await;
        assert_eq!(peeked.size_hint().exact(), Some(text.len() as u64));
        assert_eq!(read(peeked.clone()).await, read(body()).await);
        assert_eq!(read(peeked).await, read(body()).await);
    }
    let boxed = || Full::new(Bytes::from_static(b"a=1")).boxed_unsync();
    assert_eq!(read(handed_on(boxed()).await).await, read(boxed()).await);
}

#[tokio::test]
async fn data_in_several_pieces_is_handed_on_unchanged() {
    let pieces = Bytes::from_static(b"a=1").chain(Bytes::from_static(b"&b=2"));
    let whole = handed_on(Full::new(pieces)).await.collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "a=1&b=2");
}

#[tokio::test]
async fn a_body_that_was_not_ready_wakes_its_reader() {
    let body = Scripted::new([Step::Pending, Step::Pending, Step::Data(b"a=1")], true);
    let whole = handed_on(body).await.collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "a=1");
}

#[tokio::test]
async fn a_body_that_does_not_know_its_length_is_not_touched() {
    let body = Scripted::new([Step::Data(b"a=1"), Step::Data(b"b=2")], false);
    let peeked = handed_on(body).await;
    assert!(
        format!("{peeked:?}").contains("looked: false"),
        "{peeked:?}"
    );
}

#[test]
fn a_looked_at_body_crosses_threads_and_needs_no_pinning() {
    fn holds<T: Send + Sync + Unpin>() {}
    holds::<Peeked<Full<Bytes>>>();
    holds::<Peeked<Scripted>>();
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![Just(Step::Data(b"a=1")), Just(Step::Data(b"")), Just(Step::Data(b"&b=22"))],
        1 => Just(Step::Error),
        1 => Just(Step::Pending),
        1 => Just(Step::Trailers),
    ]
}

proptest! {
    #[test]
    fn any_body_is_handed_on_unchanged(
        steps in proptest::collection::vec(step(), 0..6),
        knows_length: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plain = Scripted::new(steps.clone(), knows_length);
            let peeked = handed_on(plain.clone()).await;
            let clone = peeked.clone();
            let expected = read(settled(plain)).await;
            assert_eq!(read(peeked).await, expected);
            assert_eq!(read(clone).await, expected);
        });
    }
}

/// The same body, without the first step if that was to wait: a look uses it up.
fn settled(mut body: Scripted) -> Scripted {
    if body.knows_length && matches!(body.steps.front(), Some(Step::Pending)) {
        body.steps.pop_front();
    }
    body
}

#[tokio::test]
async fn a_body_that_has_ended_is_not_polled_again() {
    /// Promises no byte, and learns of its end only when it is asked.
    struct Once(bool);

    impl Body for Once {
        type Data = Bytes;
        type Error = String;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
            assert!(
                !std::mem::replace(&mut self.0, true),
                "polled after its end"
            );
            Poll::Ready(None)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(0)
        }
    }

    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let request = Request::post("/").body(Once(false)).unwrap();
    let sent = send(&layer, with(request, owned("k"))).await.unwrap();
    assert!(sent.body().is_end_stream());
    assert!(sent.into_body().frame().await.is_none());
}
