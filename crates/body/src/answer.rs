use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::exclusive::into_bytes;

pin_project! {
    /// The response body of a layer that sometimes answers by itself.
    ///
    /// It is the inner service's body, or bytes of the layer's own. Errors are the inner body's.
    pub struct Answer<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Own { bytes: Bytes },
    }
}

impl<B> Answer<B> {
    /// The body of the inner service's response.
    #[must_use]
    pub const fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    /// The layer's own answer.
    #[must_use]
    pub fn own(bytes: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::Own {
                bytes: bytes.into(),
            },
        }
    }

    /// The layer's own answer, without content.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            kind: Kind::Own {
                bytes: Bytes::new(),
            },
        }
    }

    /// Whether the layer answered by itself.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self.kind, Kind::Own { .. })
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => body
                .poll_frame(cx)
                .map_ok(|frame| frame.map_data(into_bytes)),
            KindProj::Own { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProj::Own { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Own { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Own { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Without the data: a body may hold what nobody should log.
impl<B> fmt::Debug for Answer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("own", &self.is_own())
            .finish_non_exhaustive()
    }
}
