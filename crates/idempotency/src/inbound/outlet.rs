use std::mem;

use buttress_classify::BoxError;
use bytes::Bytes;
use http::Response;
use http::response::Parts;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

use super::job::Turn;
use super::pipe::{PipeSender, pipe};
use super::{CutShort, Recorded};

/// A frame after which the client may know that it has everything, and trailers after it.
pub(crate) type Last = [Option<Frame<Bytes>>; 2];

/// Where an answer goes: nowhere yet, then to its client, in one piece or as a stream.
///
/// A client that has gone makes no difference.
pub(crate) struct Outlet<RB, E> {
    state: State<RB, E>,
}

enum State<RB, E> {
    /// Nothing is known of the answer.
    Waiting(oneshot::Sender<Turn<RB, E>>),
    /// The head is known, and not sent.
    Ready {
        reply: oneshot::Sender<Turn<RB, E>>,
        head: Box<Parts>,
        hint: SizeHint,
    },
    /// The head is sent.
    Open(PipeSender),
    Closed,
}

impl<RB, E> Outlet<RB, E> {
    pub(crate) const fn new(reply: oneshot::Sender<Turn<RB, E>>) -> Self {
        Self {
            state: State::Waiting(reply),
        }
    }

    /// Gives this instead of what was to come; breaks off an answer that is on its way.
    pub(crate) fn answer(&mut self, turn: Turn<RB, E>) {
        match mem::replace(&mut self.state, State::Closed) {
            State::Waiting(reply) | State::Ready { reply, .. } => {
                let _ = reply.send(turn);
            }
            State::Open(pipe) => pipe.fail(CutShort::new().into()),
            State::Closed => {}
        }
    }

    /// The head of the answer, to be sent with its first frame.
    pub(crate) fn begin(&mut self, head: Parts, hint: SizeHint) {
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::Waiting(reply) => State::Ready {
                reply,
                head: Box::new(head),
                hint,
            },
            state => state,
        };
    }

    /// Sends a frame on without waiting, unless too many wait already.
    pub(crate) async fn send(&mut self, frame: Frame<Bytes>) {
        match self.open() {
            Some(pipe) if pipe.is_full() => pipe.hand_over(frame).await,
            Some(pipe) => pipe.send(frame),
            None => {}
        }
    }

    /// Sends a frame on, and waits until it is taken.
    pub(crate) async fn hand_over(&mut self, frame: Frame<Bytes>) {
        if let Some(pipe) = self.open() {
            pipe.hand_over(frame).await;
        }
    }

    /// Sends the last frames, and the end.
    pub(crate) fn finish(&mut self, last: Last) {
        let data = match &last {
            [None, None] => Some(Bytes::new()),
            [Some(frame), None] => frame.data_ref().cloned(),
            _ => None,
        };
        match (mem::replace(&mut self.state, State::Closed), data) {
            (State::Ready { reply, head, .. }, Some(data)) => {
                let response = Response::from_parts(*head, Recorded::own(data));
                let _ = reply.send(Turn::done(response));
            }
            (state, _) => {
                self.state = state;
                let Some(pipe) = self.take() else { return };
                for frame in last.into_iter().flatten() {
                    if frame.data_ref().is_none_or(|data| !data.is_empty()) {
                        pipe.send(frame);
                    }
                }
                pipe.end();
            }
        }
    }

    /// Passes the body's own error on.
    pub(crate) fn fail(&mut self, error: BoxError) {
        if let Some(pipe) = self.take() {
            pipe.fail(error);
        }
    }

    fn take(&mut self) -> Option<PipeSender> {
        self.open();
        match mem::replace(&mut self.state, State::Closed) {
            State::Open(pipe) => Some(pipe),
            _ => None,
        }
    }

    /// Sends the head, if it is known and not sent.
    fn open(&mut self) -> Option<&PipeSender> {
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::Ready { reply, head, hint } => {
                let (sender, receiver) = pipe(hint);
                let response = Response::from_parts(*head, Recorded::piped(receiver));
                let _ = reply.send(Turn::done(response));
                State::Open(sender)
            }
            state => state,
        };
        match &self.state {
            State::Open(pipe) => Some(pipe),
            _ => None,
        }
    }
}
