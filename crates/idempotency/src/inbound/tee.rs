//! Reads an answer to its end: for the record, and for the client as it comes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use buttress_body::Answer;
use buttress_classify::BoxError;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::outlet::{Last, Outlet};

/// An answer that was read to its end.
pub(crate) struct Read {
    /// Its data; `None` when it was over the cap.
    pub(crate) body: Option<Bytes>,
    /// The frames that the client is still waiting for.
    pub(crate) last: Last,
}

/// Data for the record, up to a cap.
struct Keeper {
    room: usize,
    kept: Option<Kept>,
}

/// The only chunk so far, not copied; or all, once there are two.
enum Kept {
    One(Bytes),
    Many(BytesMut),
}

enum Next {
    Frame(Option<Result<Frame<Bytes>, BoxError>>),
    /// There is none yet.
    Later,
}

/// Sends each frame on as soon as it is certain not to be the last one, or nobody can tell.
///
/// With a known `length` the frame that completes it is the last one, however late the body ends:
/// its client needs nothing more.
pub(crate) async fn read<RB, E>(
    mut body: Pin<&mut Answer<RB>>,
    length: Option<u64>,
    cap: usize,
    outlet: &mut Outlet<RB, E>,
) -> Result<Read, BoxError>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    let mut left = length;
    let mut keeper = Keeper {
        room: cap,
        kept: Some(Kept::One(Bytes::new())),
    };
    let mut held: Option<Frame<Bytes>> = None;
    let mut trailers = None;
    while !body.is_end_stream() {
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => {
                Poll::Ready(Next::Frame(frame.map(|frame| frame.map_err(Into::into))))
            }
            Poll::Pending if held.is_some() && left != Some(0) => Poll::Ready(Next::Later),
            Poll::Pending => Poll::Pending,
        })
        .await;
        let frame = match next {
            // What is there goes out now: an event stream must not lag one event behind.
            Next::Later => None,
            Next::Frame(None) => break,
            Next::Frame(Some(Ok(frame))) => Some(frame),
            Next::Frame(Some(Err(error))) => return Err(error),
        };
        if let Some(frame) = &frame {
            keeper.keep(frame);
        }
        let data = frame.as_ref().and_then(Frame::data_ref).map(Bytes::len);
        if left == Some(0) && held.is_some() {
            // Its client would take what is held for the end.
            match data {
                None => {
                    trailers = frame;
                    break;
                }
                Some(0) => continue,
                Some(_) => {}
            }
        }
        left = left.map(|left| left.saturating_sub(data.unwrap_or_default() as u64));
        if let Some(held) = std::mem::replace(&mut held, frame) {
            // Beyond the cap nothing is kept, so memory must not grow with a slow client.
            if keeper.kept.is_some() {
                outlet.send(held).await;
            } else {
                outlet.hand_over(held).await;
            }
        }
    }
    Ok(Read {
        body: keeper.kept.map(Kept::into_bytes),
        last: [held, trailers],
    })
}

impl Keeper {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else { return };
        let room = self.room.checked_sub(data.len());
        self.room = room.unwrap_or_default();
        let kept = self.kept.take().filter(|_| room.is_some());
        self.kept = kept.map(|kept| kept.and(data));
    }
}

impl Kept {
    fn and(self, data: &Bytes) -> Self {
        let mut many = match self {
            Self::One(one) if one.is_empty() => return Self::One(data.clone()),
            Self::One(one) => BytesMut::from(&*one),
            Self::Many(many) => many,
        };
        many.extend_from_slice(data);
        Self::Many(many)
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many.freeze(),
        }
    }
}
