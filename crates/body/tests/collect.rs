//! Behaviour of `CollectLayer` and `collect`.

mod script;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use buttress_body::{CollectLayer, Collected, TooLarge, collect};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use script::{Script, Step, data, script, trailers};

const CAP: usize = 8;

/// A call through the layer to a service that answers with `body`.
async fn call(body: Script) -> Result<Response<Collected>, tower::BoxError> {
    let inner = service_fn(move |()| {
        let mut response = Response::new(body.clone());
        *response.status_mut() = StatusCode::CREATED;
        std::future::ready(Ok::<_, Infallible>(response))
    });
    CollectLayer::up_to(CAP).layer(inner).oneshot(()).await
}

#[test]
fn what_is_collected_can_be_named_and_shared() {
    fn assert_all<T: Send + Sync + Unpin + 'static>() {}
    assert_all::<Response<Collected>>();
}

#[tokio::test]
async fn a_small_body_is_read_before_the_response_is_handed_on() {
    let response = call(script([data("hel"), data("lo")])).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let body = response.into_body();
    assert_eq!(body.bytes().unwrap(), "hello");
    assert_eq!(body.trailers(), None);
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn trailers_of_a_small_body_are_kept() {
    let body = call(script([data("hello"), Step::Trailers]))
        .await
        .unwrap()
        .into_body();
    assert_eq!(body.trailers(), Some(&trailers()));
    assert!(!body.is_end_stream());
    let whole = body.collect().await.unwrap();
    assert_eq!(whole.trailers(), Some(&trailers()));
    assert_eq!(whole.to_bytes(), "hello");
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_a_failed_call() {
    let error = call(script([data("hel"), Step::Fail])).await.unwrap_err();
    assert!(error.is::<io::Error>());
}

#[tokio::test]
async fn a_body_that_ends_short_of_its_length_is_a_failed_call() {
    // As hyper's bodies do when the peer resets the stream without an error.
    struct Cut(Option<Bytes>);
    impl Body for Cut {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Ready(self.0.take().map(Frame::data).map(Ok))
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(if self.0.is_some() { 5 } else { 2 })
        }
    }
    let cut = || Cut(Some(Bytes::from("hel")));
    let client = CollectLayer::up_to(CAP).layer(service_fn(async |_request: ()| {
        Ok::<_, io::Error>(Response::new(cut()))
    }));
    for error in [
        client.oneshot(()).await.unwrap_err(),
        collect(cut(), CAP).await.unwrap_err(),
    ] {
        let error = error.downcast_ref::<io::Error>().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn a_length_without_a_body_is_no_truncation_where_the_end_is_known() {
    // As in the answer to HEAD, whose stream ends properly and without a byte.
    struct Bodiless(bool);
    impl Body for Bodiless {
        type Data = Bytes;
        type Error = io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            self.0 = true;
            Poll::Ready(None)
        }
        fn is_end_stream(&self) -> bool {
            self.0
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(5)
        }
    }
    assert!(
        collect(Bodiless(false), CAP)
            .await
            .unwrap()
            .bytes
            .is_empty()
    );
}

#[tokio::test]
async fn an_error_of_the_call_is_handed_on() {
    let inner = service_fn(|()| {
        std::future::ready(Err::<Response<Full<Bytes>>, _>(io::Error::other("refused")))
    });
    let error = CollectLayer::up_to(CAP)
        .layer(inner)
        .oneshot(())
        .await
        .unwrap_err();
    assert!(error.is::<io::Error>());
}

#[tokio::test]
async fn a_body_of_exactly_the_cap_is_read_and_one_byte_more_is_a_stream() {
    for exact in [false, true] {
        for (length, whole) in [(CAP, true), (CAP + 1, false)] {
            let mut source = script([data([1; 5]), data(vec![2; length - 5]), Step::Trailers]);
            source.exact = exact;
            let all = source.bytes();
            let body = call(source).await.unwrap().into_body();
            assert_eq!(body.bytes().is_some(), whole);
            assert!(!body.is_end_stream());
            if whole || exact {
                assert_eq!(body.size_hint().exact(), Some(length as u64));
            } else {
                assert_eq!(
                    body.size_hint().lower(),
                    length as u64,
                    "what has been read"
                );
                assert_eq!(body.size_hint().upper(), None);
            }
            let collected = body.collect().await.unwrap();
            assert_eq!(collected.trailers(), Some(&trailers()));
            assert_eq!(collected.to_bytes(), all);
        }
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let mut call = task::spawn(call(script([Step::Pending, data([1; CAP + 1])]).exact()));
    let response = assert_ready_ok!(call.poll());
    assert_eq!(response.body().size_hint().exact(), Some(CAP as u64 + 1));
}

#[tokio::test]
async fn a_stream_that_fails_later_says_so() {
    let response = call(script([data([1; CAP + 1]), Step::Fail]))
        .await
        .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(error.is::<io::Error>());
}

#[tokio::test]
async fn a_stalled_body_holds_the_call_and_a_dropped_call_drops_the_body() {
    let kept = Bytes::from(vec![1; 4]);
    let frame = kept.clone();
    let mut frames = Some(frame);
    let stalled = http_body_util::StreamBody::new(futures_util::stream::poll_fn(move |_| {
        match frames.take() {
            Some(frame) => {
                std::task::Poll::Ready(Some(Ok::<_, io::Error>(http_body::Frame::data(frame))))
            }
            None => std::task::Poll::Pending,
        }
    }));
    let mut body = Some(stalled);
    let inner = service_fn(move |()| {
        std::future::ready(Ok::<_, Infallible>(Response::new(body.take().unwrap())))
    });
    let mut call = task::spawn(CollectLayer::up_to(CAP).layer(inner).oneshot(()));
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    assert!(!kept.is_unique());
    drop(call);
    assert!(kept.is_unique());
}

#[tokio::test]
async fn a_single_frame_is_collected_without_a_copy() {
    let bytes = Bytes::from_static(b"hello");
    let whole = collect(Full::new(bytes.clone()), 5).await.unwrap();
    assert_eq!(whole.bytes.as_ptr(), bytes.as_ptr());
    assert_eq!(whole.trailers, None);
}

#[tokio::test]
async fn frames_are_joined_in_order() {
    let steps = [
        data(""),
        data("h"),
        data(""),
        data("el"),
        data("lo"),
        Step::Trailers,
    ];
    let whole = collect(script(steps), 5).await.unwrap();
    assert_eq!(whole.bytes, "hello");
    assert_eq!(whole.trailers, Some(trailers()));
}

#[test]
fn a_body_over_the_cap_is_refused_as_soon_as_it_is_known() {
    for source in [
        script([data([1; 3]), data([1; 3]), Step::Pending]),
        script([Step::Pending, data([1; 6])]).exact(),
    ] {
        let error = assert_ready_err!(task::spawn(collect(source, 5)).poll());
        assert_eq!(error.downcast_ref::<TooLarge>().unwrap().cap(), 5);
    }
}

#[tokio::test]
async fn nothing_is_within_a_cap_of_nothing() {
    assert!(collect(script([]), 0).await.unwrap().bytes.is_empty());
    assert!(
        collect(script([data("")]), 0)
            .await
            .unwrap()
            .bytes
            .is_empty()
    );
    assert!(
        collect(script([data("a")]), 0)
            .await
            .unwrap_err()
            .is::<TooLarge>()
    );
}

#[tokio::test]
async fn a_collected_body_fails_with_the_bodys_own_error() {
    let error = collect(script([data("hel"), Step::Fail]), 5)
        .await
        .unwrap_err();
    assert!(error.is::<io::Error>());
}

#[tokio::test]
async fn debug_shows_no_data() {
    let whole = collect(Full::new(Bytes::from("secret")), 6).await.unwrap();
    let shown = format!("{whole:?} {:?}", Collected::from(whole.clone()));
    assert!(!shown.contains("secret") && shown.contains('6'));
}
