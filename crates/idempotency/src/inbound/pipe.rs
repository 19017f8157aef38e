//! How the frames of an answer reach the client from the task that records them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_classify::BoxError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

use super::CutShort;

/// The task's end. What is sent to a client that has gone is dropped.
pub(crate) struct PipeSender(mpsc::UnboundedSender<Piece>);

/// The client's end: fails unless it sees the end itself.
pub(crate) struct Pipe {
    pieces: mpsc::UnboundedReceiver<Piece>,
    hint: SizeHint,
    ended: bool,
}

enum Piece {
    End,
    Failed(BoxError),
    Frame(Frame<Bytes>, Option<oneshot::Sender<()>>),
}

pub(crate) fn pipe(hint: SizeHint) -> (PipeSender, Pipe) {
    let (sender, pieces) = mpsc::unbounded_channel();
    let pipe = Pipe {
        pieces,
        hint,
        ended: false,
    };
    (PipeSender(sender), pipe)
}

impl PipeSender {
    /// Sends a frame that is kept anyway, so that no more memory is needed for a slow client.
    pub(crate) fn send(&self, frame: Frame<Bytes>) {
        let _ = self.0.send(Piece::Frame(frame, None));
    }

    /// Sends a frame, and waits until the client has taken it or has gone.
    pub(crate) async fn hand_over(&self, frame: Frame<Bytes>) {
        let (taken, wait) = oneshot::channel();
        let _ = self.0.send(Piece::Frame(frame, Some(taken)));
        let _ = wait.await;
    }

    pub(crate) fn end(self) {
        let _ = self.0.send(Piece::End);
    }

    pub(crate) fn fail(self, error: BoxError) {
        let _ = self.0.send(Piece::Failed(error));
    }
}

impl Pipe {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.pieces.poll_recv(cx)) {
            Some(Piece::Frame(frame, taken)) => {
                if let Some(taken) = taken {
                    let _ = taken.send(());
                }
                if let Some(data) = frame.data_ref() {
                    self.hint = less(&self.hint, data.len() as u64);
                }
                Some(Ok(frame))
            }
            piece => {
                self.ended = true;
                match piece {
                    Some(Piece::End) => None,
                    Some(Piece::Failed(error)) => Some(Err(error)),
                    _ => Some(Err(CutShort::new().into())),
                }
            }
        })
    }

    pub(crate) const fn is_end_stream(&self) -> bool {
        self.ended
    }

    pub(crate) const fn size_hint(&self) -> SizeHint {
        self.hint
    }

    pub(crate) fn poll_in_place(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.get_mut().poll_frame(cx)
    }
}

/// What is left of a size after `taken` bytes of it.
fn less(hint: &SizeHint, taken: u64) -> SizeHint {
    let mut left = SizeHint::new();
    left.set_lower(hint.lower().saturating_sub(taken));
    if let Some(upper) = hint.upper() {
        left.set_upper(upper.saturating_sub(taken));
    }
    left
}
