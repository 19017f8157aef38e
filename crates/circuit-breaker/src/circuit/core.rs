use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, Weak};
use std::{fmt, mem};

use buttress_backoff::Random;

use super::anchor::{Anchor, Lane};
use crate::audience::Audience;
use crate::clock::Clock;
use crate::members::Members;
use crate::moment::Moment;
use crate::settings::Settings;
use crate::state::Machine;
use crate::status::{Gate, Status};
use crate::sync::{Mutex, Ordering, lock};
use crate::waiters::Waiters;
use crate::{Snapshot, State, Transition};

/// What all lanes share.
pub(crate) struct Core {
    pub(super) status: Status,
    pub(super) settings: Settings,
    pub(super) name: Arc<str>,
    pub(super) clock: Clock,
    pub(super) random: Arc<dyn Random + Send + Sync>,
    pub(super) audience: Audience,
    pub(super) lanes: Box<[Arc<Lane>]>,
    pub(super) anchors: OnceLock<Box<[Weak<Anchor>]>>,
    pub(super) inside: Mutex<Inside>,
}

pub(super) struct Inside {
    pub(super) machine: Machine,
    /// Strong, so that a lane without a seat can be taken again; empty once nobody can do so.
    pub(super) anchors: Vec<Arc<Anchor>>,
    pub(super) waiters: Waiters,
    /// Transitions that nobody has been told of.
    pub(super) news: VecDeque<Transition>,
    pub(super) telling: bool,
}

impl Core {
    /// A closed circuit's, with this many lanes, a power of two; its anchors are still to be made.
    pub(super) fn new(
        settings: Settings,
        name: Arc<str>,
        random: Arc<dyn Random + Send + Sync>,
        audience: Audience,
        lanes: usize,
    ) -> Self {
        Self {
            status: Status::new(settings.shadow),
            lanes: (0..lanes).map(|_| Arc::new(Lane::new(&settings))).collect(),
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
        }
    }

    #[inline]
    pub(super) const fn slot_of(&self, thread: usize) -> usize {
        thread & (self.lanes.len() - 1)
    }

    /// Breaks the circle of anchors and core once no seat is taken, for then none ever will be.
    #[inline(never)]
    pub(super) fn free_if_deserted(&self) {
        if Members::all_gone(self.lanes.iter().map(|lane| &lane.members)) {
            // Freed after the lock, for they own what the lock is in.
            let anchors = mem::take(&mut lock(&self.inside).anchors);
            drop(anchors);
        }
    }

    /// Moves what lanes counted into the windows, where the next outcome is judged by it.
    pub(super) fn count_successes(&self, machine: &mut Machine, now: Moment) {
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
