//! How the frames of an answer reach the client from the task that records them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use buttress_classify::BoxError;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

use super::CutShort;

/// How many frames may wait for a slow client; small ones would else outweigh their bytes.
const BACKLOG: usize = 1024;

/// The task's end. What is sent to a client that has gone is dropped.
pub(crate) struct PipeSender {
    pieces: mpsc::UnboundedSender<Piece>,
    /// Frames sent and not taken.
    backlog: Arc<AtomicUsize>,
}

/// The client's end: fails unless it sees the end itself.
pub(crate) struct Pipe {
    pieces: mpsc::UnboundedReceiver<Piece>,
    backlog: Arc<AtomicUsize>,
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
    let backlog = Arc::new(AtomicUsize::new(0));
    let pipe = Pipe {
        pieces,
        backlog: Arc::clone(&backlog),
        hint,
        ended: false,
    };
    let sender = PipeSender {
        pieces: sender,
        backlog,
    };
    (sender, pipe)
}

impl PipeSender {
    /// Whether a slow client should be waited for.
    pub(crate) fn is_full(&self) -> bool {
        self.backlog.load(Relaxed) >= BACKLOG
    }

    /// Sends a frame that is kept anyway, so that its bytes cost nothing for a slow client.
    pub(crate) fn send(&self, frame: Frame<Bytes>) {
        self.push(Piece::Frame(frame, None));
    }

    /// Sends a frame, and waits until the client has taken it or has gone.
    pub(crate) async fn hand_over(&self, frame: Frame<Bytes>) {
        let (taken, wait) = oneshot::channel();
        self.push(Piece::Frame(frame, Some(taken)));
        let _ = wait.await;
    }

    fn push(&self, piece: Piece) {
        self.backlog.fetch_add(1, Relaxed);
        let _ = self.pieces.send(piece);
    }

    pub(crate) fn end(self) {
        let _ = self.pieces.send(Piece::End);
    }

    pub(crate) fn fail(self, error: BoxError) {
        let _ = self.pieces.send(Piece::Failed(error));
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
                self.backlog.fetch_sub(1, Relaxed);
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
