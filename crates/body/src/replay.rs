use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::exclusive::{Exclusive, into_bytes};
use crate::gather::short;
use crate::shared::Reader;
use crate::{BoxError, NotReplayable};

/// A request body that can be sent again.
///
/// It is sent as it arrives, and what was sent is kept, up to a cap, for the next attempt. A body
/// that is one ready frame, as most are, is kept as it is: without a lock, an allocation or a copy.
///
/// Each clone yields the whole body from its first byte. Clones share one source, which only one of
/// them can read: the newest that has been polled. An older one that is still being polled gets
/// [`Superseded`](crate::Superseded) where the kept part ends, so an attempt that was given up never holds back its
/// successor. Keep one body and send clones of it, or send it and keep a clone.
///
/// Frames, trailers, size hint and end of stream are those of the source, so a `Content-Length`
/// stays what it was. A kept frame costs 32 bytes beside its data.
pub struct ReplayBody<B> {
    state: State<B>,
}

enum State<B> {
    /// Passed on without being kept.
    Live(Exclusive<B>, NotReplayable),
    /// Sent from what is kept of it. Apart, for a body that is passed on is dropped without a look at
    /// the ways to keep one.
    Kept(Kept<B>),
}

enum Kept<B> {
    /// Nothing to send.
    Empty,
    /// The source failed before it was sent; the error goes with the first poll.
    Failed(Option<BoxError>),
    /// What comes out of the source is kept as it is read.
    Shared(Reader<B>),
    /// One frame, known from the start.
    Whole { bytes: Bytes, sent: bool },
}

impl<B> ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// A body that can be sent again if it has at most `cap` bytes.
    ///
    /// A larger one is sent all the same, once. A body that knows its length is asked for its first
    /// frame at once.
    #[must_use]
    pub fn new(mut body: B, cap: usize) -> Self {
        if body.is_end_stream() {
            return Kept::Empty.into();
        }
        let hint = body.size_hint();
        if hint.lower() > cap as u64 {
            return State::Live(Exclusive::new(body), NotReplayable::TooLarge).into();
        }
        let Some(length) = hint.exact() else {
            return Kept::Shared(Reader::new(body, None, cap)).into();
        };
        let mut cx = Context::from_waker(Waker::noop());
        let first = match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if body.is_end_stream() => {
                    let bytes = into_bytes(data);
                    return if (bytes.len() as u64) < length {
                        Kept::short().into()
                    } else {
                        Kept::whole(bytes).into()
                    };
                }
                Ok(data) => Some(Frame::data(into_bytes(data))),
                Err(frame) => Some(frame.map_data(into_bytes)),
            },
            Poll::Ready(Some(Err(error))) => return Kept::Failed(Some(error.into())).into(),
            Poll::Ready(None) if length > 0 => return Kept::short().into(),
            Poll::Ready(None) => return Kept::Empty.into(),
            Poll::Pending => None,
        };
        Kept::Shared(Reader::new(body, first, cap)).into()
    }

    /// A body without a byte.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            state: State::Kept(Kept::Empty),
        }
    }

    /// A body that is sent once and not kept.
    #[must_use]
    pub fn once(body: B) -> Self {
        State::Live(Exclusive::new(body), NotReplayable::Once).into()
    }

    /// The same body from its first byte, however much of it has been sent.
    ///
    /// # Errors
    ///
    /// If the body cannot be sent again: it is too large, failed, or was made to be sent once.
    #[inline]
    pub fn try_clone(&self) -> Result<Self, NotReplayable> {
        match &self.state {
            State::Kept(Kept::Empty) => Ok(Kept::Empty.into()),
            State::Kept(Kept::Whole { bytes, .. }) => Ok(Kept::whole(bytes.clone()).into()),
            State::Kept(other) => other.try_clone().map(Self::from),
            State::Live(_, why) => Err(*why),
        }
    }
}

impl<B> Kept<B> {
    /// A body that ended before it was as long as was promised: it fails, as it would have failed its
    /// connection. Sent with a length of its own, a part would pass for the whole.
    #[cold]
    fn short() -> Self {
        Self::Failed(Some(short().into()))
    }

    const fn whole(bytes: Bytes) -> Self {
        Self::Whole { bytes, sent: false }
    }
}

impl<B> Kept<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// What is not the common case, out of its way.
    #[inline(never)]
    fn try_clone(&self) -> Result<Self, NotReplayable> {
        Ok(match self {
            Self::Empty => Self::Empty,
            Self::Failed(_) => return Err(NotReplayable::Failed),
            Self::Shared(reader) => Self::Shared(reader.try_clone()?),
            Self::Whole { bytes, .. } => Self::whole(bytes.clone()),
        })
    }
}

impl<B> From<Kept<B>> for ReplayBody<B> {
    fn from(kept: Kept<B>) -> Self {
        State::Kept(kept).into()
    }
}

impl<B> From<State<B>> for ReplayBody<B> {
    fn from(state: State<B>) -> Self {
        Self { state }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.state {
            State::Kept(Kept::Empty | Kept::Whole { sent: true, .. }) => Poll::Ready(None),
            State::Kept(Kept::Failed(error)) => Poll::Ready(error.take().map(Err)),
            State::Live(body, _) => Pin::new(body).poll_frame(cx),
            State::Kept(Kept::Shared(reader)) => reader.poll_frame(cx),
            State::Kept(Kept::Whole { bytes, sent }) => {
                *sent = true;
                Poll::Ready(Some(Ok(Frame::data(bytes.clone()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Kept(Kept::Empty) => true,
            State::Kept(Kept::Failed(error)) => error.is_none(),
            State::Live(body, _) => body.is_end_stream(),
            State::Kept(Kept::Shared(reader)) => reader.is_end_stream(),
            State::Kept(Kept::Whole { sent, .. }) => *sent,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Kept(Kept::Empty | Kept::Whole { sent: true, .. }) => SizeHint::with_exact(0),
            State::Kept(Kept::Failed(_)) => SizeHint::default(),
            State::Live(body, _) => body.size_hint(),
            State::Kept(Kept::Shared(reader)) => reader.size_hint(),
            State::Kept(Kept::Whole { bytes, .. }) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Without the data: a body may hold what nobody should log.
impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Kept(Kept::Empty) => "empty",
            State::Kept(Kept::Failed(_)) => "failed",
            State::Live(..) => "live",
            State::Kept(Kept::Shared(_)) => "shared",
            State::Kept(Kept::Whole { .. }) => "whole",
        };
        f.debug_struct("ReplayBody")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
