use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_body::{Collected, Whole};
use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;

use crate::Refused;

/// The most that is reserved on a sender's word; what arrives beyond it grows by doubling.
const TRUSTED: usize = 1024 * 1024;

/// A body on its way in, seen piece by piece as it arrives.
#[derive(Default)]
pub(crate) struct Intake {
    /// The only piece so far, not copied.
    single: Bytes,
    /// All pieces, each copied once, when there are several.
    joined: BytesMut,
    trailers: Option<HeaderMap>,
}

impl Intake {
    /// Reads to the end, and shows each piece to `see`.
    pub(crate) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cap: usize,
        cx: &mut Context<'_>,
        mut see: impl FnMut(&[u8]),
    ) -> Poll<Result<(), Refused>> {
        while !body.is_end_stream() {
            let promised = body.size_hint().lower();
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Err(Refused::Broken)),
                None => break,
            };
            match frame.into_data() {
                Ok(mut data) => {
                    let len = data.remaining();
                    if len > cap.saturating_sub(self.len()) {
                        return Poll::Ready(Err(Refused::TooLarge));
                    }
                    let data = data.copy_to_bytes(len);
                    see(&data);
                    self.push(data, usize::try_from(promised).unwrap_or(usize::MAX));
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn into_whole(self) -> (Bytes, Option<HeaderMap>) {
        let bytes = if self.joined.is_empty() {
            self.single
        } else {
            self.joined.freeze()
        };
        (bytes, self.trailers)
    }

    fn len(&self) -> usize {
        self.single.len() + self.joined.len()
    }

    /// `promised` is what the sender said was still to come, this piece included.
    fn push(&mut self, data: Bytes, promised: usize) {
        if self.len() == 0 {
            self.single = data;
            return;
        }
        if self.joined.is_empty() {
            let single = std::mem::take(&mut self.single);
            let room = promised.max(data.len()).saturating_add(single.len());
            self.joined
                .reserve(room.min(TRUSTED.max(single.len() + data.len())));
            self.joined.extend_from_slice(&single);
        }
        self.joined.extend_from_slice(&data);
    }
}

/// The body that the inner service receives.
pub(crate) fn hand_on(bytes: Bytes, trailers: Option<HeaderMap>) -> Collected {
    let mut whole = Whole::default();
    whole.bytes = bytes;
    whole.trailers = trailers;
    whole.into()
}
