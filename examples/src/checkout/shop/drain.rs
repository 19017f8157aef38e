//! How the shop stops: nothing new begins, what has begun is waited for.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// The shop's switch; clones share it.
#[derive(Clone, Debug)]
pub struct Drain {
    closed: watch::Sender<bool>,
    running: watch::Sender<usize>,
}

/// Something that has begun, until it is dropped.
#[derive(Debug)]
pub(super) struct Running(watch::Sender<usize>);

impl Default for Drain {
    fn default() -> Self {
        Self {
            closed: watch::Sender::new(false),
            running: watch::Sender::new(0),
        }
    }
}

impl Drain {
    /// Lets nothing new begin.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until nothing new may begin.
    pub async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.closed.subscribe().wait_for(|&closed| closed).await;
    }

    /// Waits until nothing that has begun is still running.
    pub async fn drained(&self) {
        let _ = self
            .running
            .subscribe()
            .wait_for(|&running| running == 0)
            .await;
    }

    /// Whether nothing new may begin.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(super) fn begin(&self) -> Running {
        self.running.send_modify(|running| *running += 1);
        Running(self.running.clone())
    }

    /// Sleeps; `false` as soon as nothing new may begin.
    pub(super) async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.closed() => false,
            () = sleep(duration) => true,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}
