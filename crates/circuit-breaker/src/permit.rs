use std::mem;
use std::sync::Arc;
use std::time::Duration;

use buttress_deadline::Deadline;
use tokio::time::Instant;

use crate::circuit::Anchor;
use crate::moment::Moment;
use crate::pass::{Health, Outcome, Pass};

/// The right to make one call, and the duty to say how it ended: dropped, it says so by itself.
#[derive(Debug)]
pub(crate) struct Permit {
    anchor: Arc<Anchor>,
    pass: Pass,
    deadline: Option<Deadline>,
    /// When the call was first found unfinished, if it was: nobody reads a clock for one that is
    /// ready at once.
    pending_since: Moment,
}

impl Permit {
    #[inline]
    pub(crate) const fn new(anchor: Arc<Anchor>, pass: Pass, deadline: Option<Deadline>) -> Self {
        Self {
            anchor,
            pass,
            deadline,
            pending_since: Moment::NEVER,
        }
    }

    /// The call goes on.
    #[inline]
    pub(crate) fn wait(&mut self) {
        if self.pending_since == Moment::NEVER && self.pass != Pass::UNTRACKED {
            self.pending_since = self.anchor.core().clock().now();
        }
    }

    /// The call ended.
    #[inline(always)]
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        let pass = self.spend();
        if outcome.health == Health::Good && !self.may_be_slow() {
            self.anchor.succeed(pass);
        } else {
            self.settle_with_lock(pass, outcome);
        }
    }

    #[cold]
    fn settle_with_lock(&self, pass: Pass, outcome: Outcome) {
        let now = self.anchor.core().clock().now();
        match self.at_its_age(outcome, now) {
            Outcome {
                health: Health::Good,
                slow: false,
                ..
            } => self.anchor.succeed(pass),
            Outcome {
                health: Health::Neutral,
                ..
            } if pass.generation().is_some() => {}
            outcome => self.anchor.record(pass, outcome, now),
        }
    }

    /// Stands by while foreign code runs; a panic of it settles the call as a failure.
    #[inline]
    pub(crate) const fn watch(&mut self) -> Watch<'_> {
        Watch(self)
    }

    /// The pass, which is used up by this.
    #[inline]
    const fn spend(&mut self) -> Pass {
        mem::replace(&mut self.pass, Pass::UNTRACKED)
    }

    #[inline]
    fn may_be_slow(&self) -> bool {
        self.anchor.timed && self.pending_since != Moment::NEVER
    }

    fn age(&self, now: Moment) -> Duration {
        now.since(self.pending_since)
    }

    fn at_its_age(&self, outcome: Outcome, now: Moment) -> Outcome {
        let slow = self.anchor.core().settings().slow;
        Outcome {
            slow: slow.is_some_and(|slow| self.age(now) > slow.limit),
            ..outcome
        }
    }

    #[cold]
    fn abandon(&self) {
        let core = self.anchor.core();
        let now = core.clock().now();
        let overdue = self
            .deadline
            .is_some_and(|deadline| deadline.has_passed(Instant::now()));
        let health = if overdue || self.age(now) > core.settings().abandoned_after() {
            Health::Bad
        } else {
            Health::Neutral
        };
        self.settle_with_lock(self.pass, Outcome::new(health));
    }
}

/// Dropped, which only a panic does, it settles its call as a failure.
pub(crate) struct Watch<'a>(&'a mut Permit);

impl Watch<'_> {
    /// The foreign code returned.
    #[inline]
    pub(crate) const fn end(self) {
        mem::forget(self);
    }
}

impl Drop for Watch<'_> {
    #[cold]
    fn drop(&mut self) {
        let pass = self.0.spend();
        fail(&self.0.anchor, pass);
    }
}

/// The same for a call that has no permit yet.
pub(crate) struct EarlyWatch<'a> {
    anchor: &'a Arc<Anchor>,
    pass: Pass,
}

impl<'a> EarlyWatch<'a> {
    #[inline]
    pub(crate) const fn new(anchor: &'a Arc<Anchor>, pass: Pass) -> Self {
        Self { anchor, pass }
    }

    /// The foreign code returned: the call goes on, with a permit.
    #[inline]
    pub(crate) fn end(self, deadline: Option<Deadline>) -> Permit {
        let permit = Permit::new(Arc::clone(self.anchor), self.pass, deadline);
        mem::forget(self);
        permit
    }
}

impl Drop for EarlyWatch<'_> {
    #[cold]
    fn drop(&mut self) {
        fail(self.anchor, self.pass);
    }
}

#[cold]
fn fail(anchor: &Arc<Anchor>, pass: Pass) {
    anchor.record(pass, Outcome::new(Health::Bad), anchor.core().clock().now());
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.pass != Pass::UNTRACKED {
            self.abandon();
        }
    }
}
