//! One accepted connection, which can be cut: reset, as a crashed host or a firewall does it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much of a request is looked at before it is read: more than one of the shop's ever takes.
const GLIMPSE: usize = 8 * 1024;

/// Says, of the bytes that wait to be read, whether to reset the connection instead.
pub(super) type Censor = Box<dyn Fn(&[u8]) -> bool + Send>;

/// Resets its connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Scissors(Arc<AtomicBool>);

impl Scissors {
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn have_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection, its [`Scissors`], and the look at what comes in before it is read.
pub(super) struct Line {
    stream: TcpStream,
    scissors: Scissors,
    censor: Censor,
}

impl Line {
    pub(super) fn new(stream: TcpStream, scissors: Scissors, censor: Censor) -> Self {
        Self {
            stream,
            scissors,
            censor,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.scissors.have_cut() {
            // A close that may not linger sends a reset. Should it fail, the caller sees an end
            // of stream instead, which is no better.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut glimpse = [0; GLIMPSE];
        let mut glimpse = ReadBuf::new(&mut glimpse);
        ready!(self.stream.poll_peek(cx, &mut glimpse))?;
        if (self.censor)(glimpse.filled()) {
            self.scissors.cut();
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.scissors.have_cut() {
            // An orderly end of stream first would hide the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
