use std::fmt;
use std::thread;
use std::time::Duration;

use buttress_store::{StoreError, StoreErrorKind};
use futures_executor::block_on;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::batch::{Answer, Call, Operation};
use crate::core::Core;

/// The most calls that one transaction carries.
const MOST: usize = 128;

/// How long to wait, after a batch of several calls, for those who were answered to ask again: they
/// then share the next one, where else two halves would take turns, each with a sync of its own.
const GATHER: Duration = Duration::from_micros(50);

/// Group commit on a thread of the store's own: whatever has been asked by the time that the database
/// is free shares the next transaction.
///
/// The thread ends, and closes the database, once it was told to or nobody is left to ask.
pub(crate) struct Writer {
    queue: UnboundedSender<Message>,
}

enum Message {
    Call(Call),
    Close(oneshot::Sender<Box<Core>>),
}

impl Writer {
    pub(crate) fn start(core: Box<Core>) -> Result<Self, StoreError> {
        let (queue, asked) = unbounded_channel();
        let runtime = Handle::try_current().ok();
        thread::Builder::new()
            .name("buttress-sqlite-writer".to_owned())
            .spawn(move || {
                // Its clock is the one that the store was opened by.
                let _entered = runtime.as_ref().map(Handle::enter);
                write(core, asked);
            })
            .map_err(|error| {
                StoreError::new(StoreErrorKind::Unavailable, "starting a thread").caused_by(error)
            })?;
        Ok(Self { queue })
    }

    /// Asked at the first poll. A caller that is dropped before its batch begins is passed over, later
    /// it is served and not answered.
    pub(crate) async fn call(&self, operation: Operation) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let call = Message::Call(Call { operation, reply });
        self.queue.send(call).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Takes the database out, once everything that was asked is done.
    pub(crate) async fn close(&self) -> Option<Box<Core>> {
        let (reply, core) = oneshot::channel();
        self.queue.send(Message::Close(reply)).ok()?;
        core.await.ok()
    }
}

/// The thread.
fn write(mut core: Box<Core>, mut queue: UnboundedReceiver<Message>) {
    let mut messages = Vec::new();
    let mut before = 0;
    loop {
        if before > 1 && queue.len() < before {
            gather();
        }
        if queue.blocking_recv_many(&mut messages, MOST) == 0 {
            return;
        }
        before = messages.len();
        let mut calls = Vec::with_capacity(messages.len());
        let mut closing = None;
        for message in messages.drain(..) {
            match message {
                // Whoever has gone asks for nothing.
                Message::Call(call) if call.reply.is_closed() => {}
                Message::Call(call) => calls.push(call),
                Message::Close(reply) => closing = Some(reply),
            }
        }
        if !calls.is_empty() {
            core = block_on(core.run(calls));
        }
        if let Some(reply) = closing {
            // If nobody waits any more, it is dropped here, and with that closed.
            let _ = reply.send(core);
            return refuse(queue);
        }
    }
}

/// Answers those who asked too late; whoever asks from now on finds nobody.
fn refuse(mut queue: UnboundedReceiver<Message>) {
    queue.close();
    while let Ok(message) = queue.try_recv() {
        if let Message::Call(call) = message {
            let _ = call.reply.send(Err(closed()));
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "no executor runs on this thread")]
fn gather() {
    thread::sleep(GATHER);
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

const fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "using a closed store")
}

/// The batch that held the call came to no end: it panicked.
const fn unanswered() -> StoreError {
    StoreError::new(StoreErrorKind::Indeterminate, "waiting for a batch")
}
