//! A response body that may arrive badly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A slow body comes in this many pieces.
const PIECES: usize = 10;

/// A body, and how it arrives; its whole length is always announced.
#[derive(Debug)]
pub(super) struct Delivery {
    announced: u64,
    rest: Bytes,
    manner: Manner,
}

#[derive(Debug)]
enum Manner {
    Whole,
    Truncated,
    Slow {
        piece: usize,
        pause: Duration,
        alarm: Option<Pin<Box<Sleep>>>,
    },
}

impl Delivery {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::new(bytes, Manner::Whole)
    }

    /// Ends the connection after half of it.
    pub(super) fn truncated(bytes: Bytes) -> Self {
        Self::new(bytes, Manner::Truncated)
    }

    /// Takes `time` for all of it.
    pub(super) fn slow(bytes: Bytes, time: Duration) -> Self {
        let piece = bytes.len().div_ceil(PIECES).max(1);
        let pause = time / 10;
        Self::new(
            bytes,
            Manner::Slow {
                piece,
                pause,
                alarm: None,
            },
        )
    }

    fn new(bytes: Bytes, manner: Manner) -> Self {
        Self {
            announced: bytes.len() as u64,
            rest: bytes,
            manner,
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
        let untouched = this.rest.len() as u64 == this.announced;
        let length = match &mut this.manner {
            Manner::Whole => this.rest.len(),
            Manner::Truncated if untouched => this.rest.len() / 2,
            Manner::Truncated => {
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
            }
            Manner::Slow {
                piece,
                pause,
                alarm,
            } => {
                let armed = alarm.get_or_insert_with(|| Box::pin(sleep(*pause)));
                ready!(armed.as_mut().poll(cx));
                *alarm = None;
                (*piece).min(this.rest.len())
            }
        };
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
