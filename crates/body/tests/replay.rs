//! Behaviour of `ReplayBody`.

use buttress_body::{NotReplayable, ReplayBody};
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio_test::task;

fn assert_send_sync_unpin<T: Send + Sync + Unpin>() {}

#[test]
fn it_is_send_sync_and_unpin_if_its_body_is_send() {
    assert_send_sync_unpin::<ReplayBody<Full<Bytes>>>();
    assert_send_sync_unpin::<
        ReplayBody<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>>,
    >();
}

#[tokio::test]
async fn a_ready_frame_is_replayed_without_a_copy() {
    let bytes = Bytes::from_static(b"hello");
    let body = ReplayBody::new(Full::new(bytes.clone()), 5);
    for _ in 0..3 {
        let clone = body.try_clone().unwrap();
        assert_eq!(clone.size_hint().exact(), Some(5));
        assert!(!clone.is_end_stream());
        let sent = clone.collect().await.unwrap().to_bytes();
        assert_eq!(sent.as_ptr(), bytes.as_ptr());
    }
    let _ = task::spawn(());
    assert_eq!(
        ReplayBody::new(Full::new(bytes), 4)
            .try_clone()
            .unwrap_err(),
        NotReplayable::TooLarge
    );
}
