//! One circuit shared by many threads: a machine behind a lock, and what spares calls that lock.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::{fmt, mem, thread};

use buttress_backoff::Random;

use crate::audience::Audience;
use crate::clock::Clock;
use crate::members::Members;
use crate::moment::Moment;
use crate::settings::Settings;
use crate::state::{Health, Machine, Outcome, Pass, Refusal};
use crate::status::{Gate, Status};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::tally::Tally;
use crate::waiters::{Ticket, Waiters};
use crate::{Snapshot, State, Transition, slot, telemetry};

/// A seat at a circuit, on the lane of one thread.
///
/// Anchors keep the circuit alive and the circuit keeps its anchors: a circle, which the last seat
/// to be given up breaks.
pub(crate) struct Circuit {
    anchor: Arc<Anchor>,
    /// The number of the thread whose lane it is.
    home: usize,
}

/// The circuit, with a count of owners for each lane, so that threads do not share that count.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Anchor {
    core: Arc<Core>,
    lane: Arc<Lane>,
    pub(crate) slot: usize,
    /// Successes are counted: there is a window.
    counts: bool,
    /// Calls are timed: there is a limit to what is not slow.
    pub(crate) timed: bool,
}

/// What one thread's calls write to; no other thread's do, as long as there are lanes enough.
#[derive(Debug)]
#[repr(align(128))]
struct Lane {
    members: Members,
    tally: Tally,
    refused: AtomicU64,
}

/// What all lanes share.
pub(crate) struct Core {
    status: Status,
    settings: Settings,
    name: Arc<str>,
    clock: Clock,
    random: Arc<dyn Random + Send + Sync>,
    audience: Audience,
    lanes: Box<[Arc<Lane>]>,
    anchors: OnceLock<Box<[Weak<Anchor>]>>,
    inside: Mutex<Inside>,
}

struct Inside {
    machine: Machine,
    /// Strong, so that a lane without a seat can be taken again; empty once nobody can do so.
    anchors: Vec<Arc<Anchor>>,
    waiters: Waiters,
    /// Transitions that nobody has been told of.
    news: VecDeque<Transition>,
    telling: bool,
}

/// How many lanes keep threads apart on this machine: two a core, for more
/// threads run than cores.
pub(crate) fn lanes_for_threads() -> usize {
    let cores = thread::available_parallelism().map_or(4, usize::from);
    (2 * cores).next_power_of_two().clamp(4, 16)
}

impl Circuit {
    /// A closed circuit with this many lanes, a power of two.
    #[allow(clippy::indexing_slicing, reason = "there are as many as slots")]
    pub(crate) fn new(
        settings: Settings,
        name: Arc<str>,
        random: Arc<dyn Random + Send + Sync>,
        audience: Audience,
        lanes: usize,
    ) -> Self {
        let lane = |_| {
            Arc::new(Lane {
                members: Members::default(),
                tally: Tally::new(&settings),
                refused: AtomicU64::new(0),
            })
        };
        let core = Arc::new(Core {
            status: Status::new(settings.shadow),
            lanes: (0..lanes).map(lane).collect(),
            anchors: OnceLock::new(),
            inside: Mutex::new(Inside {
                machine: Machine::new(&settings),
                anchors: Vec::new(),
                waiters: Waiters::default(),
                news: VecDeque::new(),
                telling: false,
            }),
            settings,
            name,
            clock: Clock::new(),
            random,
            audience,
        });
        let anchors: Vec<_> = core
            .lanes
            .iter()
            .enumerate()
            .map(|(slot, lane)| {
                Arc::new(Anchor {
                    lane: Arc::clone(lane),
                    slot,
                    counts: core.settings.tick.is_some() || core.settings.count_window.is_some(),
                    timed: core.settings.slow.is_some(),
                    core: Arc::clone(&core),
                })
            })
            .collect();
        core.anchors
            .get_or_init(|| anchors.iter().map(Arc::downgrade).collect());
        let home = slot::here();
        let first = Arc::clone(&anchors[core.slot_of(home)]);
        lock(&core.inside).anchors = anchors;
        Self::sit(first, home)
    }

    /// Another circuit with the same settings and listeners.
    pub(crate) fn isolated(&self) -> Self {
        let core = self.core();
        Self::new(
            core.settings.clone(),
            Arc::clone(&core.name),
            Arc::clone(&core.random),
            core.audience.isolated(),
            core.lanes.len(),
        )
    }

    #[inline]
    fn sit(anchor: Arc<Anchor>, home: usize) -> Self {
        anchor.lane.members.enter();
        Self { anchor, home }
    }

    /// A seat on the lane of thread number `home`.
    #[allow(clippy::indexing_slicing, reason = "there are as many as slots")]
    pub(crate) fn at(&self, home: usize) -> Self {
        let slot = self.core().slot_of(home);
        let there = if slot == self.anchor.slot {
            None
        } else {
            self.core()
                .anchors
                .get()
                .and_then(|all| all[slot].upgrade())
        };
        Self::sit(there.unwrap_or_else(|| Arc::clone(&self.anchor)), home)
    }

    /// Moves to the lane of the thread that it runs on, if it is not there.
    #[inline]
    pub(crate) fn settle_here(&mut self) {
        // A thread without a number is nobody's home.
        if slot::known() != self.home {
            self.move_here();
        }
    }

    #[cold]
    fn move_here(&mut self) {
        *self = self.at(slot::here());
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.anchor.core
    }

    #[inline]
    pub(crate) const fn anchor(&self) -> &Arc<Anchor> {
        &self.anchor
    }

    /// Nobody else has a seat, and no call is on its way, on a circuit of one lane.
    pub(crate) fn is_alone(&self) -> bool {
        // One owner is this seat, one the circuit itself.
        Arc::strong_count(&self.anchor) == 2
    }
}

impl Clone for Circuit {
    #[inline]
    fn clone(&self) -> Self {
        if slot::known() == self.home {
            Self::sit(Arc::clone(&self.anchor), self.home)
        } else {
            self.at(slot::here())
        }
    }
}

impl Drop for Circuit {
    #[inline]
    fn drop(&mut self) {
        if self.anchor.lane.members.leave() {
            self.core().free_if_deserted();
        }
    }
}

impl Anchor {
    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Asks for the right to make a call.
    #[inline]
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Pass, Refusal> {
        match self.core.status.closed() {
            Some(generation) => Ok(Pass::call(generation)),
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
            core.audience.changed(&core.name, circuit, &transition);
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

impl Core {
    #[inline]
    const fn slot_of(&self, thread: usize) -> usize {
        thread & (self.lanes.len() - 1)
    }

    /// Breaks the circle of anchors and core once no seat is taken, for then none ever will be.
    #[inline(never)]
    fn free_if_deserted(&self) {
        if Members::all_gone(self.lanes.iter().map(|lane| &lane.members)) {
            // Freed after the lock, for they own what the lock is in.
            let anchors = mem::take(&mut lock(&self.inside).anchors);
            drop(anchors);
        }
    }

    /// Moves what lanes counted into the windows, where the next outcome is judged by it.
    fn count_successes(&self, machine: &mut Machine, now: Moment) {
        for lane in &self.lanes {
            lane.tally.drain(machine, now);
        }
    }

    /// Calls pass, or at least are not refused.
    #[inline]
    pub(crate) fn passes(&self) -> bool {
        self.status.read().1 != Gate::Shut
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) const fn audience(&self) -> &Audience {
        &self.audience
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.inside).machine.state()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        let mut inside = lock(&self.inside);
        self.count_successes(&mut inside.machine, now);
        let refused = |lane: &Arc<Lane>| lane.refused.load(Ordering::Relaxed);
        let refused = self.lanes.iter().map(refused).sum();
        let shadow = self.status.is_shadow();
        Snapshot::of(&self.name, shadow, &inside.machine, refused, now)
    }

    pub(crate) fn set_shadow(&self, shadow: bool) {
        let inside = lock(&self.inside);
        self.status.set_shadow(shadow);
        self.status.show(&inside.machine);
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("name", &self.name)
            .field("status", &self.status)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core().fmt(f)
    }
}
