//! A response body that may arrive badly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A slow body comes in this many pieces.
const PIECES: u8 = 10;

/// Long enough for what was written to leave before the connection ends.
const FLUSH: Duration = Duration::from_millis(10);

/// A body, and how it arrives; its whole length is always announced.
#[derive(Debug)]
pub(super) struct Delivery {
    rest: Bytes,
    /// How much of it comes at once, and what the next piece waits for.
    piece: usize,
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_truncated: bool,
    announced: u64,
}

impl Delivery {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            piece: bytes.len(),
            pause: Duration::ZERO,
            timer: None,
            is_truncated: false,
            announced: bytes.len() as u64,
            rest: bytes,
        }
    }

    /// Ends the connection after half of it.
    pub(super) fn truncated(bytes: Bytes) -> Self {
        Self {
            piece: bytes.len() / 2,
            pause: FLUSH,
            is_truncated: true,
            ..Self::whole(bytes)
        }
    }

    /// Takes `time` for all of it.
    pub(super) fn slow(bytes: Bytes, time: Duration) -> Self {
        Self {
            piece: bytes.len().div_ceil(PIECES.into()),
            pause: time / PIECES.into(),
            ..Self::whole(bytes)
        }
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            return Poll::Ready(None);
        }
        if !this.pause.is_zero() {
            let timer = this
                .timer
                .get_or_insert_with(|| Box::pin(sleep(this.pause)));
            ready!(timer.as_mut().poll(cx));
            this.timer = None;
        }
        if this.is_truncated && this.announced > this.rest.len() as u64 {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        let length = this.piece.min(this.rest.len());
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        // What is left: a body that is asked halfway must not promise what it has given.
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
