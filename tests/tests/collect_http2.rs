//! What hyper takes for the end of a body and `CollectLayer` does not.

use std::io;

use buttress_body::CollectLayer;
use buttress_classify::{Verdict, find};
use http::Method;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tests::chains::{assert_means, empty, request};
use tests::peer::Peer;
use tests::peer::Step::{Hang, ReadPreface, ReadRequest, Write};
use tests::peer::frames::{Reason, data, head_of, last, reset, settings};
use tower::{BoxError, ServiceBuilder, ServiceExt};

async fn collect(reason: Reason, length: u8) -> Result<usize, BoxError> {
    collect_from(Method::POST, [head_of(length), data(b"abc"), reset(reason)]).await
}

async fn collect_from(
    method: Method,
    frames: impl IntoIterator<Item = Vec<u8>>,
) -> Result<usize, BoxError> {
    let mut plan = vec![ReadPreface, Write(settings()), ReadRequest];
    plan.extend(frames.into_iter().map(Write));
    plan.push(Hang);
    let peer = Peer::start([plan]).await?;
    let client = ServiceBuilder::new()
        .layer(CollectLayer::up_to(64))
        .service(
            Client::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http(),
        );
    let mut request = request(&peer.http(), empty());
    *request.method_mut() = method;
    let response = client.oneshot(request).await?;
    Ok(response.body().bytes().map_or(0, bytes::Bytes::len))
}

#[tokio::test]
async fn a_stream_reset_before_the_content_length_is_a_truncated_answer() {
    for reason in [Reason::Cancel, Reason::InternalError] {
        let error = collect(reason, 9).await.unwrap_err();
        assert_means(&error, Verdict::transient("reset"), reason);
    }
    // The one that hyper takes for an early end.
    let error = collect(Reason::NoError, 9).await.unwrap_err();
    let cut = find::<io::Error>(&*error).unwrap();
    assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    assert_means(&error, Verdict::transient("reset"), Reason::NoError);
}

#[tokio::test]
async fn a_stream_reset_once_its_answer_is_whole_has_ended() {
    assert_eq!(collect(Reason::NoError, 3).await.unwrap(), 3);
}

#[tokio::test]
async fn the_answer_to_head_is_whole_without_its_content() {
    for frames in [vec![last(head_of(9))], vec![head_of(9), last(data(b""))]] {
        assert_eq!(collect_from(Method::HEAD, frames).await.unwrap(), 0);
    }
}
