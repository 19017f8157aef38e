//! Behaviour of `ReplayBody`, poll by poll.

mod script;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use buttress_body::{NotReplayable, ReplayBody, Superseded};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Empty, Full};
use tokio_test::{assert_pending, assert_ready, task};

use script::{Script, Step, data, script, trailers};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const CAP: usize = 8;

/// A body as a task of its own, polled by hand.
struct Sending<B>(task::Spawn<ReplayBody<B>>);

impl<B> Sending<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    fn new(body: ReplayBody<B>) -> Self {
        Self(task::spawn(body))
    }

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

    fn error(&mut self) -> BoxError {
        assert_ready!(self.poll()).unwrap().unwrap_err()
    }

    fn rest(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(frame) = assert_ready!(self.poll()) {
            if let Ok(data) = frame.unwrap().into_data() {
                all.extend(data);
            }
        }
        assert!(self.0.is_end_stream());
        all
    }
}

fn hello() -> Script {
    script([data("hel"), data("lo")])
}

#[test]
fn it_is_send_sync_and_unpin_if_its_body_is_send() {
    fn assert_all<T: Send + Sync + Unpin>() {}
    assert_all::<ReplayBody<Full<Bytes>>>();
    assert_all::<ReplayBody<UnsyncBoxBody<Bytes, io::Error>>>();
}

#[test]
fn a_ready_frame_is_replayed_without_a_copy() {
    let bytes = Bytes::from_static(b"hello");
    let body = ReplayBody::new(Full::new(bytes.clone()), CAP);
    for _ in 0..3 {
        let clone = body.try_clone().unwrap();
        assert_eq!(clone.size_hint().exact(), Some(5));
        assert!(!clone.is_end_stream());
        let mut sending = Sending::new(clone);
        assert_eq!(sending.data().as_ptr(), bytes.as_ptr());
        assert!(sending.0.is_end_stream());
        assert_eq!(sending.0.size_hint().exact(), Some(0));
        assert!(assert_ready!(sending.poll()).is_none());
    }
}

#[test]
fn a_ready_frame_can_be_cloned_after_it_was_sent() {
    let mut sending = Sending::new(ReplayBody::new(Full::new(Bytes::from("hello")), CAP));
    sending.data();
    assert_eq!(
        Sending::new(sending.0.try_clone().unwrap()).rest(),
        b"hello"
    );
}

#[test]
fn no_body_can_be_sent_for_ever() {
    let body = ReplayBody::new(Empty::<Bytes>::new(), 0);
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    let again = body.try_clone().unwrap().try_clone().unwrap();
    assert!(Sending::new(again).rest().is_empty());
}

#[test]
fn no_body_can_be_made_of_nothing() {
    let body = ReplayBody::<Full<Bytes>>::empty();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.try_clone().unwrap().is_end_stream());
}

#[test]
fn frames_are_handed_on_and_kept_without_a_copy() {
    let mut first = Sending::new(ReplayBody::new(hello(), CAP));
    let sent = [first.data(), first.data()];
    assert!(assert_ready!(first.poll()).is_none());

    let mut second = Sending::new(first.0.try_clone().unwrap());
    for frame in sent {
        assert_eq!(second.data().as_ptr(), frame.as_ptr());
    }
}

#[test]
fn a_retry_before_any_byte_was_read_does_not_double_the_first_frame() {
    let body = ReplayBody::new(hello(), CAP);
    drop(body.try_clone().unwrap());
    let refused = Sending::new(body.try_clone().unwrap());
    drop(refused);
    assert_eq!(Sending::new(body.try_clone().unwrap()).rest(), b"hello");
}

#[test]
fn a_first_frame_read_for_its_length_is_sent_once() {
    let body = ReplayBody::new(hello().exact(), CAP);
    drop(body.try_clone().unwrap());
    let retry = body.try_clone().unwrap();
    assert_eq!(retry.size_hint().exact(), Some(5));
    assert_eq!(Sending::new(retry).rest(), b"hello");
}

#[test]
fn a_response_before_the_body_is_sent_does_not_hold_back_the_retry() {
    let source = script([data("hel"), Step::Pending, Step::Pending, data("lo")]);
    let body = ReplayBody::new(source, CAP);
    let mut first = Sending::new(body.try_clone().unwrap());
    assert_eq!(first.data(), "hel");
    assert_pending!(first.poll());
    let mut first = Sending::new(first.0.into_inner());
    assert_pending!(first.poll(), "in another task");

    let mut second = Sending::new(body.try_clone().unwrap());
    assert_eq!(second.data(), "hel");
    assert!(first.0.is_woken(), "it would wait for ever");
    assert!(first.error().is::<Superseded>());
    assert!(
        assert_ready!(first.poll()).is_none(),
        "an error ends a body"
    );
    assert_eq!(second.rest(), b"lo");
}

#[test]
fn an_attempt_first_polled_after_its_successor_takes_nothing_from_it() {
    let body = ReplayBody::new(hello(), CAP);
    let mut first = Sending::new(body.try_clone().unwrap());
    let mut second = Sending::new(body.try_clone().unwrap());
    assert_eq!(second.data(), "hel");
    assert_eq!(first.data(), "hel");
    assert!(first.error().is::<Superseded>());
    assert_eq!(second.rest(), b"lo");
}

#[test]
fn a_body_sent_before_its_clone_is_not_held_back_by_it() {
    let mut first = Sending::new(ReplayBody::new(hello(), CAP));
    let spare = first.0.try_clone().unwrap();
    assert_eq!(first.data(), "hel");
    assert_eq!(first.rest(), b"lo");
    assert_eq!(Sending::new(spare).rest(), b"hello");
}

#[test]
fn a_body_of_exactly_the_cap_can_be_replayed_and_one_byte_more_cannot() {
    for (length, last) in [(CAP, 4), (CAP + 1, 5)] {
        for source in [
            script([data([1; 4]), data(vec![1; last])]),
            script([data([1; 4]), data(vec![1; last])]).knowing_its_end(),
        ] {
            let mut first = Sending::new(ReplayBody::new(source, CAP));
            first.data();
            let early = first.0.try_clone().unwrap();
            first.data();
            let late = first.0.try_clone();
            assert!(
                assert_ready!(first.poll()).is_none(),
                "the live request goes on"
            );
            if length == CAP {
                assert_eq!(Sending::new(late.unwrap()).rest(), [1; CAP]);
                assert_eq!(Sending::new(early).rest(), [1; CAP]);
            } else {
                assert_eq!(late.unwrap_err(), NotReplayable::TooLarge);
                let error = Sending::new(early).error();
                assert_eq!(error.downcast_ref(), Some(&NotReplayable::TooLarge));
            }
        }
    }
}

#[test]
fn a_body_known_to_exceed_the_cap_is_sent_and_not_kept() {
    let at_cap = ReplayBody::new(Full::new(Bytes::from(vec![1; CAP])), CAP);
    assert!(at_cap.try_clone().is_ok());

    let over = ReplayBody::new(Full::new(Bytes::from(vec![1; CAP + 1])), CAP);
    assert_eq!(over.try_clone().unwrap_err(), NotReplayable::TooLarge);
    assert_eq!(over.size_hint().exact(), Some(CAP as u64 + 1));
    assert_eq!(Sending::new(over).rest(), [1; CAP + 1]);
}

#[test]
fn overflow_lets_go_of_what_was_kept() {
    let kept = Bytes::from(vec![1; CAP]);
    let source = FromBytes(vec![Bytes::from(vec![2; 1]), kept.clone()]);
    let mut sending = Sending::new(ReplayBody::new(source, CAP));
    drop(sending.data());
    assert!(!kept.is_unique());
    drop(sending.data());
    assert!(kept.is_unique());
}

#[test]
fn an_older_attempt_cannot_read_past_what_overflowed() {
    let body = ReplayBody::new(script([data([1; 5]), data([2; 5]), data([3; 1])]), CAP);
    let mut older = Sending::new(body.try_clone().unwrap());
    older.data();
    let mut newer = Sending::new(body.try_clone().unwrap());
    newer.data();
    newer.data();
    assert!(older.error().is::<Superseded>());
    assert_eq!(newer.rest(), [3]);
}

#[test]
fn a_body_for_one_sending_is_handed_on_as_it_is() {
    let body = ReplayBody::once(script([data("hello"), Step::Trailers]).exact());
    assert_eq!(body.try_clone().unwrap_err(), NotReplayable::Once);
    assert_eq!(body.size_hint().exact(), Some(5));
    let mut sending = Sending::new(body);
    assert_eq!(sending.data(), "hello");
    assert_eq!(sending.0.size_hint().exact(), Some(0));
    let frame = assert_ready!(sending.poll()).unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap(), trailers());
}

#[test]
fn trailers_are_sent_with_every_attempt() {
    for source in [
        script([data("hello"), Step::Trailers]).knowing_its_end(),
        script([data("hello"), Step::Trailers]).exact(),
        script([Step::Trailers]).exact(),
        script([data("hel"), Step::Pending, data("lo"), Step::Trailers]),
    ] {
        let expected = source.bytes();
        let body = ReplayBody::new(source, CAP);
        for _ in 0..3 {
            let mut sending = Sending::new(body.try_clone().unwrap());
            let mut bytes = Vec::new();
            let end = loop {
                assert!(!sending.0.is_end_stream(), "the trailers are still to come");
                let Poll::Ready(frame) = sending.poll() else {
                    continue;
                };
                match frame.unwrap().unwrap().into_data() {
                    Ok(data) => bytes.extend(data),
                    Err(frame) => break frame.into_trailers().unwrap(),
                }
            };
            assert_eq!((&bytes, end), (&expected, trailers()));
            assert!(sending.0.is_end_stream());
            assert!(assert_ready!(sending.poll()).is_none());
        }
    }
}

#[test]
fn the_size_hint_is_exact_in_every_attempt_at_every_frame() {
    let body = ReplayBody::new(hello().exact().knowing_its_end(), CAP);
    for _ in 0..3 {
        let mut sending = Sending::new(body.try_clone().unwrap());
        for left in [5, 2] {
            assert_eq!(sending.0.size_hint().exact(), Some(left));
            assert!(!sending.0.is_end_stream());
            sending.data();
        }
        assert_eq!(sending.0.size_hint().exact(), Some(0));
        assert!(sending.0.is_end_stream(), "a sender need not ask again");
    }
}

#[test]
fn a_failed_body_is_not_replayed() {
    let mut first = Sending::new(ReplayBody::new(script([data("hel"), Step::Fail]), CAP));
    let early = first.0.try_clone().unwrap();
    first.data();
    assert!(first.error().is::<io::Error>());
    assert!(assert_ready!(first.poll()).is_none());
    assert_eq!(first.0.try_clone().unwrap_err(), NotReplayable::Failed);

    let mut early = Sending::new(early);
    assert_eq!(early.data(), "hel");
    assert_eq!(early.error().downcast_ref(), Some(&NotReplayable::Failed));
}

#[test]
fn what_is_left_of_a_failed_body_is_not_taken_for_all_of_it() {
    let source = script([data("hel"), Step::Fail, data("lo")]).exact();
    let mut first = Sending::new(ReplayBody::new(source, CAP));
    // Cloned while the first attempt was still sending, and first asked for its length after that
    // failed: were it 3, a server would take "hel" for the whole request.
    let second = first.0.try_clone().unwrap();
    first.data();
    first.error();
    assert_eq!(second.size_hint().exact(), None);
    assert!(!second.is_end_stream());
}

#[test]
fn a_body_short_of_its_length_fails_and_is_not_sent_as_a_whole_one() {
    struct Short(Option<Bytes>);
    impl Body for Short {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Ready(self.0.take().map(Frame::data).map(Ok))
        }
        fn is_end_stream(&self) -> bool {
            self.0.is_none()
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(5)
        }
    }
    struct Nothing;
    impl Body for Nothing {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Ready(None)
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(5)
        }
    }
    fn assert_fails<B: Body<Error = io::Error> + Unpin>(body: B) {
        let body = ReplayBody::new(body, CAP);
        assert_eq!(body.try_clone().unwrap_err(), NotReplayable::Failed);
        assert_eq!(body.size_hint().exact(), None);
        Sending::new(body).error();
    }
    assert_fails(Short(Some(Bytes::from("hel"))));
    assert_fails(Nothing);
}

#[test]
fn a_body_that_fails_at_once_tells_it_when_sent() {
    let body = ReplayBody::new(script([Step::Fail, data("hello")]).exact(), CAP);
    assert_eq!(body.try_clone().unwrap_err(), NotReplayable::Failed);
    assert!(!body.is_end_stream());
    let mut sending = Sending::new(body);
    assert!(sending.error().is::<io::Error>());
    assert!(assert_ready!(sending.poll()).is_none());
    assert!(sending.0.is_end_stream());
}

#[test]
fn a_body_wrapped_twice_is_replayed_by_both() {
    for source in [
        hello(),
        hello().exact(),
        script([data("hello")]).exact().knowing_its_end(),
    ] {
        let inner = ReplayBody::new(source, CAP);
        let outer = ReplayBody::new(inner.try_clone().unwrap(), CAP);
        for _ in 0..3 {
            assert_eq!(Sending::new(outer.try_clone().unwrap()).rest(), b"hello");
        }
        for _ in 0..3 {
            assert_eq!(Sending::new(inner.try_clone().unwrap()).rest(), b"hello");
        }
    }
}

#[test]
fn a_source_that_panicked_has_failed() {
    let body = ReplayBody::new(script([data("hel"), Step::Panic, data("lo")]), CAP);
    let mut first = Sending::new(body.try_clone().unwrap());
    let second = body.try_clone().unwrap();
    first.data();
    assert!(catch_unwind(AssertUnwindSafe(|| first.poll())).is_err());

    assert_eq!(body.try_clone().unwrap_err(), NotReplayable::Failed);
    assert!(!body.is_end_stream());
    let mut second = Sending::new(second);
    assert_eq!(second.data(), "hel");
    assert_eq!(second.error().downcast_ref(), Some(&NotReplayable::Failed));
}

#[test]
fn a_frame_longer_than_was_promised_is_not_lost() {
    struct Liar(Option<Bytes>);
    impl Body for Liar {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Ready(self.0.take().map(Frame::data).map(Ok))
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(1)
        }
    }
    let body = ReplayBody::new(Liar(Some(Bytes::from(vec![1; CAP + 1]))), CAP);
    assert_eq!(Sending::new(body).rest(), [1; CAP + 1]);
}

#[test]
fn debug_shows_no_data() {
    let body = ReplayBody::new(Full::new(Bytes::from("secret")), CAP);
    assert!(!format!("{body:?}").contains("secret"));
}

/// Frames that somebody else can see; its length is not known.
struct FromBytes(Vec<Bytes>);

impl Body for FromBytes {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.0.pop().map(Frame::data).map(Ok))
    }
}
