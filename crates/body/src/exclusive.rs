use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;

/// A body that is reached through `&mut` alone: `Sync` if it is `Send`, and the mutex that makes it
/// so is never locked. What is asked through `&` is answered from the last look.
pub(crate) struct Exclusive<B> {
    body: Mutex<B>,
    hint: SizeHint,
    ended: bool,
}

impl<B: Body + Unpin> Exclusive<B> {
    pub(crate) fn new(body: B) -> Self {
        Self {
            hint: body.size_hint(),
            ended: body.is_end_stream(),
            body: Mutex::new(body),
        }
    }
}

impl<B> Body for Exclusive<B>
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
        let this = &mut *self;
        let body = this.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        this.hint = body.size_hint();
        this.ended = body.is_end_stream();
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(into_bytes)),
            Err(error) => Err(error.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// The data as `Bytes`: no copy if it is `Bytes` already, else one.
pub(crate) fn into_bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}
