use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Waker;

use super::Circuit;
use super::core::{Core, Inside};
use crate::members::Members;
use crate::moment::Moment;
use crate::pass::{Health, Outcome, Pass, Refusal};
use crate::settings::Settings;
use crate::state::Machine;
use crate::status::Gate;
use crate::sync::{AtomicU64, MutexGuard, Ordering, lock};
use crate::tally::Tally;
use crate::waiters::Ticket;
use crate::{Transition, slot, telemetry};

/// The circuit, with a count of owners for each lane, so that threads do not share that count.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Anchor {
    core: Arc<Core>,
    pub(super) lane: Arc<Lane>,
    pub(crate) slot: usize,
    /// Successes are counted: there is a window.
    counts: bool,
    /// Calls are timed: there is a limit to what is not slow.
    pub(crate) timed: bool,
}

/// What one thread's calls write to; no other thread's do, as long as there are lanes enough.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lane {
    pub(super) members: Members,
    pub(super) tally: Tally,
    pub(super) refused: AtomicU64,
}

impl Lane {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            members: Members::default(),
            tally: Tally::new(settings),
            refused: AtomicU64::new(0),
        }
    }
}

impl Anchor {
    pub(super) fn new(core: Arc<Core>, lane: Arc<Lane>, slot: usize) -> Self {
        let settings = core.settings();
        Self {
            lane,
            slot,
            counts: settings.tick.is_some() || settings.count_window.is_some(),
            timed: settings.slow.is_some(),
            core,
        }
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// The right to make a call, where the circuit is closed.
    #[inline]
    pub(crate) fn admit_if_closed(&self) -> Option<Pass> {
        self.core.status.closed().map(Pass::call)
    }

    /// Asks for the right to make a call.
    #[inline]
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Pass, Refusal> {
        match self.admit_if_closed() {
            Some(pass) => Ok(pass),
            None => self.ask(),
        }
    }

    #[cold]
    fn ask(self: &Arc<Self>) -> Result<Pass, Refusal> {
        let core = &*self.core;
        if core.status.read().1 == Gate::Off {
            return Ok(Pass::UNTRACKED);
        }
        let now = core.clock.now();
        let until = core.status.open_until();
        let answer = if now < until {
            let retry_after = (until != Moment::NEVER).then(|| until.since(now));
            Err(Refusal { retry_after })
        } else {
            let mut inside = lock(&core.inside);
            let (answer, transition) = inside.machine.admit(&core.settings, now);
            self.after(inside, transition, now);
            answer
        };
        match answer {
            Err(refusal) => {
                self.lane.refused.fetch_add(1, Ordering::Relaxed);
                let shadow = core.status.is_shadow();
                telemetry::refused(&core.name, shadow);
                if shadow {
                    return Ok(Pass::UNTRACKED);
                }
                Err(refusal)
            }
            pass => pass,
        }
    }

    /// Settles a call that succeeded and was not slow.
    #[inline]
    pub(crate) fn succeed(self: &Arc<Self>, pass: Pass) {
        if self.counts || !self.core.status.is_calm_for(pass) {
            self.count_success(pass);
        }
    }

    #[inline(never)]
    fn count_success(self: &Arc<Self>, pass: Pass) {
        let (status, clock) = (&self.core.status, &self.core.clock);
        if !self.lane.tally.succeed(status, pass, || clock.now()) {
            self.record(pass, Outcome::new(Health::Good), clock.now());
        }
    }

    /// Settles a call.
    #[cold]
    pub(crate) fn record(self: &Arc<Self>, pass: Pass, outcome: Outcome, now: Moment) {
        if pass == Pass::UNTRACKED {
            return;
        }
        let core = &*self.core;
        let mut inside = lock(&core.inside);
        core.count_successes(&mut inside.machine, now);
        let late = inside.machine.late();
        let transition = inside
            .machine
            .record(&core.settings, pass, outcome, now, &*core.random);
        let is_late = inside.machine.late() > late;
        self.after(inside, transition, now);
        if is_late {
            telemetry::late(&core.name);
        }
    }

    /// A failure that no pass stands for: the inner service was not even ready.
    pub(crate) fn record_unready(self: &Arc<Self>, outcome: Outcome) {
        if let Some(generation) = self.core.status.closed() {
            self.record(Pass::call(generation), outcome, self.core.clock.now());
        }
    }

    /// Lets `change` have its way with the machine.
    pub(crate) fn command(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Machine) -> Option<Transition>,
    ) {
        let now = self.core.clock.now();
        let mut inside = lock(&self.core.inside);
        let transition = change(&mut inside.machine);
        self.after(inside, transition, now);
    }

    /// What follows each change of the machine: show it, wake who waits, tell who listens.
    fn after(
        self: &Arc<Self>,
        mut inside: MutexGuard<'_, Inside>,
        transition: Option<Transition>,
        now: Moment,
    ) {
        let core = &*self.core;
        let (shown, _) = core.status.read();
        core.status.show(&inside.machine);
        let generation = inside.machine.generation();
        if shown != generation {
            for lane in &core.lanes {
                lane.tally.clear(generation, now);
            }
        }
        let Some(transition) = transition else {
            return;
        };
        inside.news.push_back(transition);
        let waiting = if core.passes() {
            Vec::new()
        } else {
            inside.waiters.take()
        };
        let mine = !mem::replace(&mut inside.telling, true);
        drop(inside);
        waiting.into_iter().for_each(Waker::wake);
        if mine {
            self.tell();
        }
    }

    /// Tells the audience all news in order, outside the lock; one thread at a time does.
    fn tell(self: &Arc<Self>) {
        loop {
            let news = {
                let mut inside = lock(&self.core.inside);
                let news = inside.news.pop_front();
                inside.telling = news.is_some();
                news
            };
            let Some(transition) = news else {
                return;
            };
            let core = &*self.core;
            let circuit = Circuit::sit(Arc::clone(self), slot::here());
            let changed = || core.audience.changed(&core.name, circuit, &transition);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(changed)) {
                // Listeners' panics end with them, so it is the telemetry's: let the next one tell.
                lock(&core.inside).telling = false;
                resume_unwind(panic);
            }
        }
    }

    /// Wakes `waker` once the circuit refuses calls; the place in the queue is `ticket`'s.
    pub(crate) fn wait(&self, ticket: &mut Ticket, waker: &Waker) {
        let waker = waker.clone();
        let replaced = lock(&self.core.inside).waiters.put(ticket, waker);
        // Outside the lock: with a waker its task may be dropped, and with that one a service of ours.
        drop(replaced);
    }

    pub(crate) fn stop_waiting(&self, ticket: &mut Ticket) {
        let removed = lock(&self.core.inside).waiters.remove(ticket);
        drop(removed);
    }
}
