use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};

use buttress_store::{StoreError, StoreErrorKind};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::batch::{Answer, Call, Operation};
use crate::core::Core;
use crate::crowd::Crowd;

/// The most calls that one transaction carries.
const MOST: usize = 128;

/// Group commit without a task of its own.
///
/// Calls queue, and those who wait for an answer drive the work for all: whoever is polled when the
/// database has something to say takes the batch under way one step further, or begins the next. The
/// batch belongs to none of them and nobody holds it from one poll to the next, so a caller that is
/// dropped, or no longer polled, stops nobody else.
pub(crate) struct Group {
    queue: Mutex<Queue>,
    work: Mutex<Work>,
    crowd: Arc<Crowd>,
    waker: Waker,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<Call>,
    /// Somebody waits for the database itself.
    closing: bool,
}

/// The database, idle or at work. Neither, once a batch has panicked or the store was closed.
struct Work {
    idle: Option<Box<Core>>,
    batch: Option<Batch>,
}

impl Group {
    pub(crate) fn new(core: Box<Core>) -> Self {
        let crowd = Arc::new(Crowd::default());
        Self {
            queue: Mutex::default(),
            work: Mutex::new(Work {
                idle: Some(core),
                batch: None,
            }),
            waker: Waker::from(Arc::clone(&crowd)),
            crowd,
        }
    }

    pub(crate) async fn call(&self, operation: Operation) -> Result<Answer, StoreError> {
        let (reply, mut answer) = oneshot::channel();
        self.queue().calls.push_back(Call { operation, reply });
        // Those who were answered together have more to ask: let them join the same batch.
        yield_now().await;
        let seat = self.crowd.enter();
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answered) = Pin::new(&mut answer).poll(cx) {
                return Poll::Ready(answered);
            }
            // Before the work is looked at, so that no event after the look is missed.
            seat.listen(cx);
            self.drive();
            Pin::new(&mut answer).poll(cx)
        })
        .await;
        answered.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Takes the database out, once everything that was asked is done.
    pub(crate) async fn close(&self) -> Option<Box<Core>> {
        let seat = self.crowd.enter();
        self.queue().closing = true;
        poll_fn(|cx| {
            seat.listen(cx);
            self.drive();
            let Some(mut work) = self.try_work() else {
                return Poll::Pending;
            };
            if work.batch.is_none() && self.queue().calls.is_empty() {
                return Poll::Ready(work.idle.take());
            }
            Poll::Pending
        })
        .await
    }

    /// Takes the work as far as it goes now, unless somebody else is at it.
    fn drive(&self) {
        loop {
            let Some(mut work) = self.try_work() else {
                return;
            };
            let state = work.advance(self);
            drop(work);
            match state {
                // The database wakes the crowd, and with it whoever came while the work was locked.
                State::Waiting => return,
                // The next batch begins at once: whoever was just answered and asks again joins the one
                // after it, and the database need not wait for them.
                State::Answered => {}
                State::Idle => {
                    let (is_empty, closing) = {
                        let queue = self.queue();
                        (queue.calls.is_empty(), queue.closing)
                    };
                    // Whoever queued while the work was locked relies on this second look, and whoever
                    // closes and found it locked, on being woken.
                    if is_empty && closing {
                        self.waker.wake_by_ref();
                    }
                    if is_empty {
                        return;
                    }
                }
            }
        }
    }

    /// The calls of the next transaction, without those whose callers have gone.
    fn next_batch(&self) -> Vec<Call> {
        let mut queue = self.queue();
        queue.calls.retain(|call| !call.reply.is_closed());
        let count = queue.calls.len().min(MOST);
        queue.calls.drain(..count).collect()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic under the lock can only come from a failed allocation.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_work(&self) -> Option<MutexGuard<'_, Work>> {
        match self.work.try_lock() {
            Ok(work) => Some(work),
            // A batch that panicked was out of its place, and is gone.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A transaction under way, which gives the database back.
type Batch = Pin<Box<dyn Future<Output = Box<Core>> + Send>>;

/// Where the work stands after a step.
enum State {
    /// A batch has been answered.
    Answered,
    /// There is nothing to do.
    Idle,
    /// The database has the word.
    Waiting,
}

impl Work {
    fn advance(&mut self, group: &Group) -> State {
        if self.batch.is_some() && !group.crowd.take_news() {
            // Most who are polled have just come, or were woken with somebody who was quicker.
            return State::Waiting;
        }
        // Out of its place while it is polled: one that panics is not polled again.
        let mut batch: Batch = if let Some(batch) = self.batch.take() {
            batch
        } else {
            let calls = group.next_batch();
            if calls.is_empty() {
                return State::Idle;
            }
            let Some(core) = self.idle.take() else {
                for call in calls {
                    let _ = call.reply.send(Err(closed()));
                }
                return State::Answered;
            };
            Box::pin(core.run(calls))
        };
        match batch.as_mut().poll(&mut Context::from_waker(&group.waker)) {
            Poll::Ready(core) => {
                self.idle = Some(core);
                State::Answered
            }
            Poll::Pending => {
                self.batch = Some(batch);
                State::Waiting
            }
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

const fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "using a closed store")
}

/// The batch that held the call came to no end: it panicked.
const fn unanswered() -> StoreError {
    StoreError::new(StoreErrorKind::Indeterminate, "waiting for a batch")
}
