use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::coop::{has_budget_remaining, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::{Clock, Cut};

pin_project! {
    /// Ends the wait for a head. Neither timer nor time is touched before the first wait.
    #[derive(Debug)]
    pub(crate) struct Alarm {
        clock: Clock,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Alarm {
    #[inline]
    pub(crate) const fn new(clock: Clock) -> Self {
        Self { clock, sleep: None }
    }

    #[inline]
    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Waits for what is not there.
    #[inline(never)]
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cut> {
        let mut this = self.project();
        let polled = if let Some(sleep) = this.sleep.as_mut().as_pin_mut() {
            ring(sleep, cx)
        } else {
            let end = this.clock.end(Instant::now());
            this.sleep.set(Some(sleep_until(end.instant())));
            // Where the task's budget is used up this registers nothing, but has the task polled
            // again.
            let sleep = this.sleep.as_pin_mut();
            sleep.map_or(Poll::Pending, |sleep| sleep.poll(cx))
        };
        polled.map(|()| this.clock.cut())
    }
}

/// Polls a timer, outside of the task's budget once that is used up: a call that uses it up in every
/// poll would never time out.
#[inline(never)]
pub(crate) fn ring(sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    if has_budget_remaining() {
        sleep.poll(cx)
    } else {
        pin!(unconstrained(sleep)).poll(cx)
    }
}
