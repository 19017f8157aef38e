use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_body::{Answer, Whole};
use buttress_classify::BoxError;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::pipe::Pipe;

pin_project! {
    /// A request body on its way to the handler: read as a whole if the request has a key.
    ///
    /// Bytes, trailers and errors are those of the body within.
    pub struct Received<B> {
        #[pin]
        body: Answer<B>,
        trailers: Option<HeaderMap>,
    }
}

impl<B> Received<B> {
    pub(crate) const fn live(body: B) -> Self {
        Self {
            body: Answer::inner(body),
            trailers: None,
        }
    }

    pub(crate) fn whole(whole: Whole) -> Self {
        Self {
            body: Answer::own(whole.bytes),
            trailers: whole.trailers,
        }
    }
}

impl<B: Body> Body for Received<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        Poll::Ready(frame.or_else(|| this.trailers.take().map(Frame::trailers).map(Ok)))
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for Received<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("whole", &self.body.is_own())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A response body from the handler, from the task that records it, or from the store.
    ///
    /// It fails with [`CutShort`](crate::CutShort) when its execution ends before it does.
    pub struct Recorded<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Answer { #[pin] body: Answer<B> },
        Piped { pipe: Pipe },
    }
}

impl<B> Recorded<B> {
    pub(crate) const fn inner(body: B) -> Self {
        Self::answer(Answer::inner(body))
    }

    pub(crate) fn own(bytes: Bytes) -> Self {
        Self::answer(Answer::own(bytes))
    }

    pub(crate) const fn answer(body: Answer<B>) -> Self {
        Self {
            kind: Kind::Answer { body },
        }
    }

    pub(crate) const fn piped(pipe: Pipe) -> Self {
        Self {
            kind: Kind::Piped { pipe },
        }
    }
}

impl<B> Body for Recorded<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Answer { body } => body.poll_frame(cx).map_err(Into::into),
            KindProj::Piped { pipe } => pipe.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Answer { body } => body.is_end_stream(),
            Kind::Piped { pipe } => pipe.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Answer { body } => body.size_hint(),
            Kind::Piped { pipe } => pipe.size_hint(),
        }
    }
}

/// Without the data: a body may hold what nobody should log.
impl<B> fmt::Debug for Recorded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("piped", &matches!(self.kind, Kind::Piped { .. }))
            .finish_non_exhaustive()
    }
}
