use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::Transition;

/// A reader that falls so far behind loses the oldest.
const KEPT: usize = 256;

/// The changes of a circuit's state, in order, from when the stream was made.
///
/// A reader that falls 256 transitions behind loses the oldest of them, and sees by
/// [`generation`](Transition::generation) that it did. The stream ends with the circuit, which it
/// does not keep alive.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is read"]
pub struct Transitions(Arc<Mutex<Queue>>);

/// The circuit's end of a [`Transitions`]; dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct Feed(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Transition>,
    reader: Option<Waker>,
    ended: bool,
}

impl Transitions {
    pub(crate) fn new() -> (Feed, Self) {
        let queue = Arc::default();
        (Feed(Arc::clone(&queue)), Self(queue))
    }

    /// The next change; none once the circuit is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when this future is dropped.
    pub async fn next(&mut self) -> Option<Transition> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Transitions {
    type Item = Transition;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match queue.waiting.pop_front() {
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            transition => Poll::Ready(transition),
        }
    }
}

impl Drop for Transitions {
    fn drop(&mut self) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.ended = true;
        queue.waiting = VecDeque::new();
    }
}

impl Feed {
    pub(crate) fn is_read(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Adds `transition`; who waits for it is to be woken.
    pub(crate) fn push(&self, transition: Transition) -> Option<Waker> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.ended {
            return None;
        }
        if queue.waiting.len() == KEPT {
            queue.waiting.pop_front();
        }
        queue.waiting.push_back(transition);
        queue.reader.take()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let reader = {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            queue.ended = true;
            queue.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
