use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

/// A request body of which the first frame may have been looked at.
///
/// Frames, trailers, size hint and end of stream are those of the body within.
pub struct Peeked<B: Body> {
    first: First<B::Data, B::Error>,
    rest: B,
}

enum First<D, E> {
    /// Not read, or handed on.
    Within,
    Data(D),
    /// There was none, and a body need not be asked again after its end.
    Ended,
    /// Trailers or an error. Boxed, for they would triple the size of every request.
    Other(Box<Result<Frame<D>, E>>),
}

impl<B: Body + Unpin> Peeked<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self {
            first: First::Within,
            rest: body,
        }
    }

    /// Is the whole body at hand, as [`first`](Self::first): a single frame that is ready, or nothing
    /// at all?
    ///
    /// Only a body that knows its length is asked for a frame.
    pub(crate) fn look(&mut self) -> bool {
        if self.rest.is_end_stream() {
            return true;
        }
        let Some(length) = self.rest.size_hint().exact() else {
            return false;
        };
        let mut cx = Context::from_waker(Waker::noop());
        let first = match Pin::new(&mut self.rest).poll_frame(&mut cx) {
            Poll::Ready(Some(first)) => first,
            Poll::Ready(None) => {
                self.first = First::Ended;
                return length == 0;
            }
            Poll::Pending => return false,
        };
        self.first = match first.map(Frame::into_data) {
            Ok(Ok(data)) => First::Data(data),
            Ok(Err(frame)) => First::Other(Box::new(Ok(frame))),
            Err(error) => First::Other(Box::new(Err(error))),
        };
        match &self.first {
            First::Data(data) if self.rest.is_end_stream() => {
                let whole = data.remaining();
                data.chunk().len() == whole && whole as u64 == length
            }
            _ => false,
        }
    }

    /// What was seen of the first frame.
    pub(crate) fn first(&self) -> &[u8] {
        match &self.first {
            First::Data(data) => data.chunk(),
            _ => &[],
        }
    }
}

impl<B: Body + Unpin> Body for Peeked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match std::mem::replace(&mut self.first, First::Within) {
            First::Within => Pin::new(&mut self.rest).poll_frame(cx),
            First::Data(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            First::Ended => {
                self.first = First::Ended;
                Poll::Ready(None)
            }
            First::Other(other) => Poll::Ready(Some(*other)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.first {
            First::Within => self.rest.is_end_stream(),
            // Short of what it promised, it must not pass for a body without content.
            First::Ended => self.rest.size_hint().exact() == Some(0),
            First::Data(_) | First::Other(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.rest.size_hint();
        if let First::Data(data) = &self.first {
            let ready = data.remaining() as u64;
            let upper = hint.upper().and_then(|upper| upper.checked_add(ready));
            let lower = hint.lower().saturating_add(ready);
            hint = SizeHint::new();
            hint.set_lower(lower);
            if let Some(upper) = upper {
                hint.set_upper(upper);
            }
        }
        hint
    }
}

// The first frame is moved out whole and never pinned.
impl<B: Body + Unpin> Unpin for Peeked<B> {}

impl<B> Clone for Peeked<B>
where
    B: Body<Data: Clone, Error: Clone> + Clone,
{
    fn clone(&self) -> Self {
        Self {
            first: match &self.first {
                First::Within => First::Within,
                First::Data(data) => First::Data(data.clone()),
                First::Ended => First::Ended,
                First::Other(other) => First::Other(Box::new(clone_frame(other))),
            },
            rest: self.rest.clone(),
        }
    }
}

fn clone_frame<D: Clone, E: Clone>(frame: &Result<Frame<D>, E>) -> Result<Frame<D>, E> {
    let frame = frame.as_ref().map_err(E::clone)?;
    Ok(match (frame.data_ref(), frame.trailers_ref()) {
        (Some(data), _) => Frame::data(data.clone()),
        (None, trailers) => Frame::trailers(trailers.cloned().unwrap_or_default()),
    })
}

impl<B: Body> fmt::Debug for Peeked<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.rest.size_hint();
        f.debug_struct("Peeked")
            .field("looked", &!matches!(self.first, First::Within))
            .field("rest", &(size.lower()..=size.upper().unwrap_or(u64::MAX)))
            .finish()
    }
}
