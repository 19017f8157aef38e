//! What an error's chain of causes means, without any client's adapter.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use buttress_classify::{
    BoxError, Classify, ErrorClassifier, Health, Opinion, Sent, Verdict, chain, find,
};

fn judge(error: impl Into<BoxError>) -> Option<Verdict> {
    Classify::<()>::classify(&ErrorClassifier, Err(&*error.into()))
}

#[derive(Debug)]
struct Wrapper(BoxError);

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapper")
    }
}

impl Error for Wrapper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn wrap(error: impl Into<BoxError>) -> Wrapper {
    Wrapper(error.into())
}

#[test]
fn each_kind_of_io_error_has_its_verdict() {
    use ErrorKind as Kind;
    let table = [
        (
            Kind::ConnectionRefused,
            Some(Verdict::transient("connect").unsent()),
        ),
        (
            Kind::AddrNotAvailable,
            Some(Verdict::transient("connect").unsent()),
        ),
        (
            Kind::HostUnreachable,
            Some(Verdict::transient("unreachable")),
        ),
        (
            Kind::NetworkUnreachable,
            Some(Verdict::transient("unreachable")),
        ),
        (Kind::NetworkDown, Some(Verdict::transient("unreachable"))),
        (Kind::BrokenPipe, Some(Verdict::transient("reset"))),
        (Kind::ConnectionAborted, Some(Verdict::transient("reset"))),
        (Kind::ConnectionReset, Some(Verdict::transient("reset"))),
        (Kind::NotConnected, Some(Verdict::transient("reset"))),
        (Kind::UnexpectedEof, Some(Verdict::transient("reset"))),
        (Kind::WriteZero, Some(Verdict::transient("reset"))),
        (Kind::TimedOut, Some(Verdict::transient("timeout"))),
        (Kind::Interrupted, Some(Verdict::transient("io"))),
        (Kind::WouldBlock, Some(Verdict::transient("io"))),
        (Kind::InvalidData, Some(Verdict::permanent("io"))),
        (Kind::InvalidInput, Some(Verdict::permanent("io"))),
        (Kind::PermissionDenied, Some(Verdict::permanent("io"))),
        (Kind::Unsupported, Some(Verdict::permanent("io"))),
        (Kind::NotFound, None),
        (Kind::Other, None),
    ];
    for (kind, verdict) in table {
        assert_eq!(judge(io::Error::from(kind)), verdict, "{kind:?}");
        assert_eq!(
            judge(wrap(wrap(io::Error::from(kind)))).map(|verdict| verdict.class),
            verdict.map(|verdict| verdict.class),
            "{kind:?}, wrapped"
        );
    }
}

#[test]
fn a_refusal_beneath_an_unknown_error_proves_nothing_unless_hypers_errors_are_known() {
    // Without hyper's adapter the wrapper may be hyper's, and the refusal one that came late.
    let sent = if cfg!(feature = "hyper") {
        Sent::No
    } else {
        Sent::Maybe
    };
    for kind in [ErrorKind::ConnectionRefused, ErrorKind::AddrNotAvailable] {
        let verdict = judge(wrap(io::Error::from(kind))).unwrap();
        assert_eq!((verdict.reason, verdict.sent), ("connect", sent));
        let verdict = judge(io::Error::from(kind)).unwrap();
        assert_eq!((verdict.reason, verdict.sent), ("connect", Sent::No));
    }
}

#[test]
fn an_io_error_inside_an_io_error_is_found() {
    let hidden = io::Error::other(wrap(io::Error::from(ErrorKind::ConnectionReset)));
    assert_eq!(chain(&hidden).count(), 3);
    assert_eq!(judge(hidden), Some(Verdict::transient("reset")));
}

#[test]
fn an_unknown_error_gets_no_opinion() {
    assert_eq!(judge("what is this?"), None);
    assert_eq!(judge(wrap(fmt::Error)), None);
}

#[test]
fn the_outermost_opinion_wins_before_anything_else() {
    let inner = Opinion::caused_by(
        Verdict::transient("inner"),
        io::Error::from(ErrorKind::InvalidData),
    );
    assert_eq!(judge(wrap(inner)), Some(Verdict::transient("inner")));

    let verdict = Verdict::throttled("outer")
        .with_retry_after(Some(Duration::from_secs(1)))
        .with_health(Health::Neutral)
        .vetoed();
    let inner = Opinion::new(Verdict::refused("inner"));
    let outer = Opinion::caused_by(verdict, wrap(io::Error::other(inner)));
    assert_eq!(judge(wrap(outer)), Some(verdict));

    let beneath_a_known_error = io::Error::new(
        ErrorKind::ConnectionReset,
        Opinion::new(Verdict::refused("own")),
    );
    assert_eq!(judge(beneath_a_known_error), Some(Verdict::refused("own")));
}

#[test]
fn a_cause_is_found_at_any_depth() {
    let error: BoxError = wrap(io::Error::other(wrap(fmt::Error))).into();
    assert!(find::<fmt::Error>(&*error).is_some());
    assert!(find::<Opinion>(&*error).is_none());
}

#[test]
fn a_chain_without_end_is_cut() {
    #[derive(Debug)]
    struct Circle;

    impl fmt::Display for Circle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("circle")
        }
    }

    impl Error for Circle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    assert_eq!(judge(Circle), None);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_tokio_was_perhaps_sent() {
    let elapsed = tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
        .await
        .unwrap_err();
    assert_eq!(judge(elapsed), Some(Verdict::transient("timeout")));
}

#[cfg(feature = "h2")]
#[tokio::test]
async fn a_refusal_on_an_http2_connection_that_stood_proves_nothing() {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    struct RefusedLate;

    impl AsyncRead for RefusedLate {
        fn poll_read(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            _buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(ErrorKind::ConnectionRefused.into()))
        }
    }

    impl AsyncWrite for RefusedLate {
        fn poll_write(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let (mut client, connection) = h2::client::handshake(RefusedLate).await.unwrap();
    let request = http::Request::post("http://localhost/").body(()).unwrap();
    let (response, _body) = client.send_request(request, true).unwrap();
    connection.await.unwrap_err();
    assert_eq!(
        judge(response.await.unwrap_err()),
        Some(Verdict::transient("connect"))
    );
}

#[cfg(feature = "tower")]
#[test]
fn the_errors_of_towers_layers_are_known() {
    let elapsed = tower::timeout::error::Elapsed::new();
    assert_eq!(judge(wrap(elapsed)), Some(Verdict::transient("timeout")));
    let shed = tower::load_shed::error::Overloaded::new();
    assert_eq!(judge(wrap(shed)), Some(Verdict::refused("overloaded")));
}

#[test]
fn an_operation_was_sent_if_any_attempt_was() {
    assert_eq!(Sent::No.max(Sent::Maybe), Sent::Maybe);
    assert_eq!(Sent::default(), Sent::No);
}
