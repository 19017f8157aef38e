//! One circuit shared by many threads: a machine behind a lock, and what spares calls that lock.

mod anchor;
mod core;

use std::sync::Arc;
use std::{fmt, thread};

use buttress_backoff::Random;

pub(crate) use self::anchor::Anchor;
use self::core::Core;
use crate::audience::Audience;
use crate::settings::Settings;
use crate::slot;
use crate::sync::lock;

/// A seat at a circuit, on the lane of one thread.
///
/// Anchors keep the circuit alive and the circuit keeps its anchors: a circle, which the last seat
/// to be given up breaks.
pub(crate) struct Circuit {
    anchor: Arc<Anchor>,
    /// The number of the thread whose lane it is.
    home: usize,
}

/// How many lanes keep threads apart on this machine: two a core, for threads outnumber cores.
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
        let core = Arc::new(Core::new(settings, name, random, audience, lanes));
        let anchor =
            |(slot, lane)| Arc::new(Anchor::new(Arc::clone(&core), Arc::clone(lane), slot));
        let anchors: Vec<_> = core.lanes.iter().enumerate().map(anchor).collect();
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
        self.anchor.core()
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

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core().fmt(f)
    }
}
