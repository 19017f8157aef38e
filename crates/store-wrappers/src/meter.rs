use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// [`adopt`](buttress_store::IdempotencyStore::adopt)
    Adopt,
    /// [`begin`](buttress_store::IdempotencyStore::begin)
    Begin,
    /// [`complete`](buttress_store::IdempotencyStore::complete)
    Complete,
    /// [`purge`](buttress_store::IdempotencyStore::purge)
    Purge,
    /// [`release`](buttress_store::IdempotencyStore::release)
    Release,
    /// [`renew`](buttress_store::IdempotencyStore::renew)
    Renew,
    /// [`unknowns`](buttress_store::IdempotencyStore::unknowns)
    Unknowns,
    /// [`wait`](buttress_store::IdempotencyStore::wait)
    Wait,
}

impl Operation {
    /// Its name, as `db.operation.name` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Begin => "begin",
            Self::Complete => "complete",
            Self::Purge => "purge",
            Self::Release => "release",
            Self::Renew => "renew",
            Self::Unknowns => "unknowns",
            Self::Wait => "wait",
        }
    }
}

/// The counts of a [`Metered`](crate::Metered) store. Clones count the same store.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    adopt: Count,
    begin: Count,
    complete: Count,
    purge: Count,
    release: Count,
    renew: Count,
    unknowns: Count,
    wait: Count,
}

#[derive(Debug, Default)]
struct Count {
    calls: AtomicU64,
    failures: AtomicU64,
}

impl Meter {
    /// Calls of this operation that were begun.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.count(operation).calls.load(Relaxed)
    }

    /// Calls of this operation that ended in an error, or were dropped.
    #[must_use]
    pub fn failures(&self, operation: Operation) -> u64 {
        self.count(operation).failures.load(Relaxed)
    }

    /// Calls that requests cost: begin, complete, renew, release. On a remote store each is a round
    /// trip.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        use Operation::{Begin, Complete, Release, Renew};
        [Begin, Complete, Release, Renew]
            .into_iter()
            .map(|operation| self.calls(operation))
            .sum()
    }

    pub(crate) fn count_call(&self, operation: Operation) {
        self.count(operation).calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_failure(&self, operation: Operation) {
        self.count(operation).failures.fetch_add(1, Relaxed);
    }

    fn count(&self, operation: Operation) -> &Count {
        match operation {
            Operation::Adopt => &self.0.adopt,
            Operation::Begin => &self.0.begin,
            Operation::Complete => &self.0.complete,
            Operation::Purge => &self.0.purge,
            Operation::Release => &self.0.release,
            Operation::Renew => &self.0.renew,
            Operation::Unknowns => &self.0.unknowns,
            Operation::Wait => &self.0.wait,
        }
    }
}
