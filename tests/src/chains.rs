//! Provokes an error with each client, and asks what it means.

use std::io;
use std::time::Duration;

use buttress_classify::{Classify, HttpClassifier, Verdict, chain};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};

use crate::clients::{Body, BoxError, Client, Kind, Settings, Version};
use crate::peer::{Peer, Plan};

/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// A body without a byte.
#[must_use]
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A body of 8 MiB: more than all buffers and windows between two sockets hold.
#[must_use]
pub fn large() -> Body {
    let bytes = Bytes::from(vec![b'x'; 8 << 20]);
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A body that fails after its first bytes, with an error that looks like the connection's.
#[must_use]
pub fn failing() -> Body {
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"first"))),
        Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
    ];
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

/// A request of `url` with a body, or without.
///
/// # Panics
///
/// When `url` is none.
#[must_use]
pub fn request(url: &str, body: Body) -> Request<Body> {
    Request::post(url).body(body).expect("a URL")
}

/// The error that `client` makes of `request`.
///
/// # Panics
///
/// When it makes none.
pub async fn error_of(client: &Client, request: Request<Body>) -> BoxError {
    let answer = tokio::time::timeout(LIMIT, client.send(request)).await;
    answer.expect("no hanging").expect_err("no answer")
}

/// What `error` means.
#[must_use]
pub fn meaning_of(error: &BoxError) -> Option<Verdict> {
    Classify::<Response<()>>::classify(&HttpClassifier, Err(&**error))
}

/// Asserts that `error` means `verdict`, and shows its chain if not.
///
/// # Panics
///
/// When it means something else.
pub fn assert_means(error: &BoxError, verdict: Verdict, who: impl std::fmt::Debug) {
    let causes: Vec<_> = chain(&**error)
        .map(|cause| format!("{cause}: {cause:?}"))
        .collect();
    assert_eq!(meaning_of(error), Some(verdict), "{who:?}: {causes:#?}");
}

/// Each client meets a peer with this plan, and its error means `verdict`.
///
/// # Panics
///
/// When one of them means something else, or makes no error.
pub async fn assert_each(version: Version, plan: Plan, body: fn() -> Body, verdict: Verdict) {
    for kind in Kind::ALL {
        let peer = Peer::start([plan.clone()]).await.expect("a port");
        let client = Client::new(Settings::new(kind, version)).expect("a client");
        let error = error_of(&client, request(&peer.http(), body())).await;
        assert_means(&error, verdict, kind);
    }
}

/// Each client's error when it first uses its connection after the peer has closed it.
///
/// # Panics
///
/// When one of them makes no error.
pub async fn errors_held(version: Version, plan: Plan) -> Vec<(Kind, BoxError)> {
    let mut errors = Vec::new();
    for kind in Kind::ALL {
        let peer = Peer::start([plan.clone()]).await.expect("a port");
        let settings = Settings {
            hold_until_served: Some((peer.served(), 1)),
            ..Settings::new(kind, version)
        };
        let client = Client::new(settings).expect("a client");
        errors.push((
            kind,
            error_of(&client, request(&peer.http(), empty())).await,
        ));
    }
    errors
}
