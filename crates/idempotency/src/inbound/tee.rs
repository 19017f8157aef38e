//! Reads an answer to its end: for the record, and for the client as it comes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use buttress_body::Answer;
use buttress_classify::BoxError;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::outlet::Outlet;

/// An answer that was read to its end.
pub(crate) struct Read {
    /// Its data; `None` when it was over the cap.
    pub(crate) body: Option<Bytes>,
    /// The frame that the client is still waiting for.
    pub(crate) last: Option<Frame<Bytes>>,
}

/// Data for the record, up to a cap.
struct Keeper {
    chunks: Option<Vec<Bytes>>,
    room: usize,
}

enum Next {
    Frame(Option<Result<Frame<Bytes>, BoxError>>),
    /// There is none yet.
    Later,
}

/// Sends each frame on as soon as it is certain not to be the last one, or nobody can tell.
pub(crate) async fn read<RB, E>(
    mut body: Pin<&mut Answer<RB>>,
    cap: usize,
    outlet: &mut Outlet<RB, E>,
) -> Result<Read, BoxError>
where
    RB: Body,
    RB::Error: Into<BoxError>,
{
    let mut keeper = Keeper {
        chunks: Some(Vec::new()),
        room: cap,
    };
    let mut held: Option<Frame<Bytes>> = None;
    while !body.is_end_stream() {
        let next = poll_fn(|cx| match body.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => {
                Poll::Ready(Next::Frame(frame.map(|frame| frame.map_err(Into::into))))
            }
            Poll::Pending if held.is_some() => Poll::Ready(Next::Later),
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
        if let Some(held) = std::mem::replace(&mut held, frame) {
            // Beyond the cap nothing is kept, so memory must not grow with a slow client.
            if keeper.chunks.is_some() {
                outlet.send(held);
            } else {
                outlet.hand_over(held).await;
            }
        }
    }
    Ok(Read {
        body: keeper.chunks.map(join),
        last: held,
    })
}

impl Keeper {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(data) = frame.data_ref() else { return };
        match (self.room.checked_sub(data.len()), &mut self.chunks) {
            (Some(room), Some(chunks)) => {
                self.room = room;
                chunks.push(data.clone());
            }
            _ => self.chunks = None,
        }
    }
}

fn join(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() < 2 {
        return chunks.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        whole.extend_from_slice(&chunk);
    }
    whole.freeze()
}
