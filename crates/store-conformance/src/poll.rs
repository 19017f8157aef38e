use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a future so many times, then gives up on it.
pub(crate) struct PollAtMost<F> {
    future: Pin<Box<F>>,
    polls: usize,
    /// Give up at the last pending poll, or only when woken once more.
    at_once: bool,
}

/// Resolves to `None` when the future was dropped unfinished.
pub(crate) async fn poll_at_most<F: Future>(
    future: F,
    polls: usize,
    at_once: bool,
) -> Option<F::Output> {
    PollAtMost {
        future: Box::pin(future),
        polls,
        at_once,
    }
    .await
}

impl<F: Future> Future for PollAtMost<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 && self.at_once => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
