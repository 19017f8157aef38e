use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::exclusive::Exclusive;
use crate::{BoxError, Whole};

/// A response body that has been read, or that was too large to be.
///
/// Made by [`CollectLayer`](crate::CollectLayer). One type for every client, so that a response can
/// be named: `Response<Collected>`.
#[derive(Default)]
pub struct Collected {
    /// Data read so far, in order.
    ahead: [Bytes; 2],
    then: Then,
}

#[derive(Default)]
enum Then {
    #[default]
    End,
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send + Sync>>),
    Trailers(HeaderMap),
}

impl Collected {
    pub(crate) fn stream<B>(ahead: [Bytes; 2], rest: B) -> Self
    where
        B: Body + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            ahead,
            then: Then::Stream(Box::pin(Exclusive::new(rest))),
        }
    }

    /// All data of a body that has been read; `None` if it is a stream.
    ///
    /// Once it has been polled as a body, only what is left.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match self.then {
            Then::Stream(_) => None,
            Then::End | Then::Trailers(_) => Some(&self.ahead[0]),
        }
    }

    /// The trailers of a body that has been read.
    #[must_use]
    pub const fn trailers(&self) -> Option<&HeaderMap> {
        match &self.then {
            Then::Trailers(trailers) => Some(trailers),
            Then::End | Then::Stream(_) => None,
        }
    }

    fn length(&self) -> u64 {
        self.ahead.iter().map(|bytes| bytes.len() as u64).sum()
    }
}

impl From<Whole> for Collected {
    fn from(whole: Whole) -> Self {
        Self {
            ahead: [whole.bytes, Bytes::new()],
            then: whole.trailers.map_or(Then::End, Then::Trailers),
        }
    }
}

impl From<Bytes> for Collected {
    fn from(bytes: Bytes) -> Self {
        Self {
            ahead: [bytes, Bytes::new()],
            then: Then::End,
        }
    }
}

impl Body for Collected {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(data) = self.ahead.iter_mut().find(|data| !data.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(data)))));
        }
        match &mut self.then {
            Then::End => Poll::Ready(None),
            Then::Stream(rest) => rest.as_mut().poll_frame(cx),
            Then::Trailers(trailers) => {
                let trailers = std::mem::take(trailers);
                self.then = Then::End;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
            && match &self.then {
                Then::End => true,
                Then::Stream(rest) => rest.is_end_stream(),
                Then::Trailers(_) => false,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.length();
        match &self.then {
            Then::End | Then::Trailers(_) => SizeHint::with_exact(ahead),
            Then::Stream(rest) => crate::gather::longer(rest.size_hint(), ahead),
        }
    }
}

/// Without the data: a body may hold what nobody should log.
impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected")
            .field("size_hint", &self.size_hint())
            .finish_non_exhaustive()
    }
}
