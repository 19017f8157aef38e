use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::BoxError;
use crate::gather::Gather;

/// Reads a whole body into memory, if it has at most `cap` bytes.
///
/// A body that promises more is not read at all. One that comes in a single frame is not copied.
///
/// # Errors
///
/// The future yields [`TooLarge`](crate::TooLarge) if there are more than `cap` bytes, the body's own
/// error if it fails, and [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) if it ends before the
/// length that it promised.
///
/// # Cancel safety
///
/// What was read is lost with the future.
pub fn collect<B>(body: B, cap: usize) -> CollectBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    CollectBody {
        body,
        cap,
        gather: Gather::default(),
    }
}

/// A body in one piece.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Whole {
    /// Its data.
    pub bytes: Bytes,
    /// Its trailers, if it had any.
    pub trailers: Option<HeaderMap>,
}

/// Without the data: a body may hold what nobody should log.
impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole")
            .field("length", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`collect`].
    #[must_use = "futures do nothing unless polled"]
    pub struct CollectBody<B> {
        #[pin]
        body: B,
        cap: usize,
        gather: Gather,
    }
}

impl<B> Future for CollectBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Whole, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.gather.poll(this.body, *this.cap, cx)) {
            Ok(trailers) => Ok(Whole {
                bytes: mem::take(this.gather).into_bytes(),
                trailers,
            }),
            Err(stop) => Err(stop.into_error(*this.cap)),
        })
    }
}

impl<B> fmt::Debug for CollectBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectBody")
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}
