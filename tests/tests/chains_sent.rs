//! What looks as if nothing had been sent, and proves nothing of the kind.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_classify::{Health, Verdict};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tests::chains::{assert_each, assert_means, empty, error_of, request};
use tests::clients::Version::{One, Two};
use tests::clients::{Body, BoxError, Client, Kind, Settings, Version};
use tests::peer::Step::{Fin, Hang, ReadPreface, ReadRequest, Write};
use tests::peer::frames::{Reason, data, goaway, head, reset, settings};
use tests::peer::{Peer, Plan, Refusing};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection whose end the kernel reports as a refusal, as it does when an ICMP message about a
/// lost segment was the last that it heard of the peer.
struct RefusedLate(TcpStream);

impl AsyncRead for RefusedLate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        if buf.filled().len() == before {
            return Poll::Ready(Err(ErrorKind::ConnectionRefused.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RefusedLate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn after_a_request(steps: impl IntoIterator<Item = tests::peer::Step>) -> Plan {
    let mut plan = vec![ReadPreface, Write(settings()), ReadRequest];
    plan.extend(steps);
    plan
}

#[tokio::test]
async fn a_refusal_on_an_http_2_connection_that_stood() {
    let peer = Peer::start([after_a_request([Fin])]).await.unwrap();
    let socket = RefusedLate(TcpStream::connect(peer.address()).await.unwrap());
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket));
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let error = client.send_request(request(&peer.http(), empty())).await;
    let error: BoxError = error.unwrap_err().into();
    assert_means(&error, Verdict::transient("connect"), "late");
}

#[tokio::test]
async fn a_stream_refused_after_its_answer_has_begun() {
    let steps = [
        Write(head()),
        Write(data(b"abc")),
        Write(reset(Reason::RefusedStream)),
        Hang,
    ];
    let verdict = Verdict::transient("refused_stream");
    assert_each(Two, after_a_request(steps), empty, verdict).await;

    let steps = [
        Write(head()),
        Write(data(b"abc")),
        Write(goaway(0, Reason::InternalError)),
        Fin,
    ];
    let verdict = Verdict::transient("goaway");
    assert_each(Two, after_a_request(steps), empty, verdict).await;
}

/// A body that fails because of a request of its own, which never left.
async fn failing_as(kind: Kind) -> Body {
    let refusing = Refusing::start().unwrap();
    let client = Client::new(Settings::new(kind, One)).unwrap();
    let error = error_of(&client, request(&refusing.http().unwrap(), empty())).await;
    failing_with(error)
}

fn failing_with(error: BoxError) -> Body {
    let frames = [Ok(Frame::data(Bytes::from_static(b"first"))), Err(error)];
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

async fn assert_users(kind: Kind, version: Version, body: Body, whose: Kind) {
    let plan = match version {
        One => vec![Hang],
        Two => after_a_request([Hang]),
    };
    let peer = Peer::start([plan]).await.unwrap();
    let client = Client::new(Settings::new(kind, version)).unwrap();
    let error = error_of(&client, request(&peer.http(), body)).await;
    let users = Verdict::permanent("user").with_health(Health::Neutral);
    assert_means(&error, users, (kind, version, whose));
}

#[tokio::test]
async fn a_requests_body_that_could_not_connect_somewhere_else() {
    for version in [One, Two] {
        for kind in Kind::ALL {
            for whose in Kind::ALL {
                assert_users(kind, version, failing_as(whose).await, whose).await;
            }
        }
    }
}

#[tokio::test]
async fn a_requests_body_that_could_not_be_requested_at_all() {
    for version in [One, Two] {
        for kind in Kind::ALL {
            for whose in Kind::ALL {
                let client = Client::new(Settings::new(whose, One)).unwrap();
                let unusable = error_of(&client, request("/without-a-host", empty())).await;
                let body = failing_with(unusable);
                assert_users(kind, version, body, whose).await;
            }
        }
    }
}

#[tokio::test]
async fn a_requests_body_that_holds_anothers_opinion() {
    use buttress_classify::Opinion;

    for version in [One, Two] {
        for kind in Kind::ALL {
            let refused = Opinion::new(Verdict::refused("open"));
            let error = Error::other(refused);
            assert_users(kind, version, failing_with(error.into()), kind).await;
        }
    }
}
