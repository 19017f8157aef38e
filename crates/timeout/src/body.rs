use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;
use crate::clock::Clock;
use crate::future::fail;
use crate::watch::Watch;

pin_project! {
    /// A response body that fails with [`Elapsed`](crate::Elapsed) when it takes too long.
    ///
    /// After an error it has ended. It is `Unpin` if the body inside is; a timer is allocated when
    /// a frame is first waited for.
    pub struct TimeoutBody<B> {
        #[pin]
        body: B,
        watch: Watch,
    }
}

impl<B> TimeoutBody<B> {
    #[inline]
    pub(crate) const fn new(body: B, clock: Clock) -> Self {
        Self {
            body,
            watch: Watch::new(clock),
        }
    }

    /// The body inside.
    #[must_use]
    pub const fn get_ref(&self) -> &B {
        &self.body
    }

    /// The body inside, to change.
    #[must_use]
    pub const fn get_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// The body inside, alone and without a limit.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.body
    }
}

impl<B> Body for TimeoutBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        if this.watch.has_failed() {
            return Poll::Ready(None);
        }
        // A frame that is there wins, however long nobody came for it.
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            match frame {
                Some(Err(_)) => this.watch.fail(),
                _ => this.watch.frame_came(),
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        this.watch.poll(cx).map(|elapsed| Some(Err(fail(elapsed))))
    }

    fn is_end_stream(&self) -> bool {
        self.watch.has_failed() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Without the body: it may hold what nobody should log.
impl<B> fmt::Debug for TimeoutBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutBody")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}
