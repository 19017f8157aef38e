use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, SizeHint};

use crate::exclusive::into_bytes;
use crate::{BoxError, TooLarge};

/// Data on its way to being whole.
#[derive(Default)]
pub(crate) struct Gather {
    /// The only frame so far, not copied.
    single: Bytes,
    /// All frames, once there are two.
    joined: Option<BytesMut>,
}

/// Why a body did not become whole.
pub(crate) enum Stop<E> {
    Failed(E),
    /// It has more than the cap, or says so; this frame, if any, was one too many.
    Over(Bytes),
    /// It ended before the length that it had promised.
    ///
    /// hyper ends a body so, and not with an error, when the peer resets an HTTP/2 stream with
    /// `NO_ERROR`.
    Short,
}

impl<E: Into<BoxError>> Stop<E> {
    /// The error to fail with where more than the cap cannot be handed on.
    pub(crate) fn into_error(self, cap: usize) -> BoxError {
        match self {
            Self::Failed(error) => error.into(),
            Self::Over(_) => TooLarge::new(cap).into(),
            Self::Short => short().into(),
        }
    }
}

/// What a transport says of a connection that was cut.
pub(crate) fn short() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "body ended before its promised length",
    )
}

impl Gather {
    /// Reads `body` to its end, or until it has more than `cap` bytes; yields its trailers.
    pub(crate) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cap: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, Stop<B::Error>>> {
        loop {
            if body.is_end_stream() {
                return Poll::Ready(Ok(None));
            }
            let room = cap - self.len();
            let promised = body.size_hint().lower();
            if promised > room as u64 {
                return Poll::Ready(Err(Stop::Over(Bytes::new())));
            }
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Err(Stop::Failed(error))),
                // The answer to HEAD has a length and no body: its stream has ended as it should.
                None if promised > 0 && !body.is_end_stream() => {
                    return Poll::Ready(Err(Stop::Short));
                }
                None => return Poll::Ready(Ok(None)),
            };
            match frame.into_data() {
                Ok(data) => {
                    let data = into_bytes(data);
                    if data.len() > room {
                        return Poll::Ready(Err(Stop::Over(data)));
                    }
                    self.push(data, usize::try_from(promised).unwrap_or(room));
                }
                Err(frame) => return Poll::Ready(Ok(frame.into_trailers().ok())),
            }
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.joined.map_or(self.single, BytesMut::freeze)
    }

    fn len(&self) -> usize {
        self.joined
            .as_ref()
            .map_or(self.single.len(), BytesMut::len)
    }

    /// Adds a frame of a body that promised `promised` bytes from this frame on.
    fn push(&mut self, data: Bytes, promised: usize) {
        if self.len() == 0 {
            self.single = data;
            return;
        }
        let single = &self.single;
        let joined = self.joined.get_or_insert_with(|| {
            let mut joined = BytesMut::with_capacity(single.len() + promised.max(data.len()));
            joined.extend_from_slice(single);
            joined
        });
        joined.extend_from_slice(&data);
    }
}

/// What `hint` promises, and `bytes` before it.
pub(crate) fn longer(hint: SizeHint, bytes: u64) -> SizeHint {
    let mut longer = SizeHint::new();
    longer.set_lower(hint.lower().saturating_add(bytes));
    if let Some(upper) = hint.upper().and_then(|upper| upper.checked_add(bytes)) {
        longer.set_upper(upper);
    }
    longer
}
