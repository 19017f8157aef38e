use std::pin::Pin;
use std::task::{Context, Poll, ready};

use buttress_deadline::Deadline;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::alarm::ring;
use crate::clock::{Clock, Cut};
use crate::{Elapsed, Phase};

/// Ends the waits for the frames of a body.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Clock,
    timer: Timer,
    stand: Stand,
}

/// How a body stands.
#[derive(Debug)]
enum Stand {
    /// It has ended with an error.
    Failed,
    /// Nobody waits for a frame.
    Flowing,
    /// A frame is waited for.
    Waiting(Phase),
}

/// A timer that is allocated when a frame is first waited for, and kept for further waits.
#[derive(Debug)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Watch {
    pub(crate) const fn new(clock: Clock) -> Self {
        Self {
            clock,
            timer: Timer(None),
            stand: Stand::Flowing,
        }
    }

    pub(crate) const fn has_failed(&self) -> bool {
        matches!(self.stand, Stand::Failed)
    }

    /// The body ends here.
    pub(crate) const fn fail(&mut self) {
        self.stand = Stand::Failed;
    }

    /// A frame came: an idle limit starts anew with the next wait.
    pub(crate) const fn frame_came(&mut self) {
        if let Stand::Waiting(Phase::Idle) = self.stand {
            self.stand = Stand::Flowing;
        }
    }

    /// Waits for a frame that is not there; a body that is waited for too long has failed.
    #[inline(never)]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let phase = if let (&Stand::Waiting(phase), Some(timer)) = (&self.stand, &mut self.timer.0)
        {
            ready!(ring(timer.as_mut(), cx));
            phase
        } else {
            let (end, phase) = self.begin(Instant::now());
            self.stand = Stand::Waiting(phase);
            ready!(ring(self.set(end), cx));
            phase
        };
        self.fail();
        Poll::Ready(match phase {
            Phase::Idle => Elapsed::new(self.clock.idle(), phase, Cut::Limit),
            _ => Elapsed::new(self.clock.limit(), phase, self.clock.cut()),
        })
    }

    /// When a wait that begins `now` ends, and what it is called.
    fn begin(&mut self, now: Instant) -> (Deadline, Phase) {
        match self.clock.idle_end(now) {
            Some(idle) => (idle, Phase::Idle),
            None => (self.clock.end(now), Phase::Body),
        }
    }

    fn set(&mut self, end: Deadline) -> Pin<&mut Sleep> {
        if let Some(timer) = &mut self.timer.0 {
            timer.as_mut().reset(end.instant());
        }
        self.timer
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(end.instant())))
            .as_mut()
    }
}

/// Out of the way of bodies that never waited, which are most small ones.
impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        if let Some(timer) = self.0.take() {
            discard(timer);
        }
    }
}

#[inline(never)]
fn discard(timer: Pin<Box<Sleep>>) {
    drop(timer);
}
