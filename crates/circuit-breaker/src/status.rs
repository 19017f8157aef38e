//! What every call reads before anything else: one word, written only when it changes.

use crate::State;
use crate::moment::Moment;
use crate::pass::Pass;
use crate::state::Machine;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

const KIND: u64 = 0b111;
const KIND_BITS: u32 = KIND.count_ones();

/// What a call may do without the lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Gate {
    /// Pass; a success is recorded without the lock.
    Calm,
    /// Pass; the lock is needed to record any outcome.
    Alert,
    /// Pass, and tell nobody.
    Off,
    /// Ask; the answer lets the call pass in any case.
    Shadow,
    /// Ask.
    Shut,
}

/// A line of the cache to itself, so that only changes of state take it away from readers.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Status {
    word: AtomicU64,
    /// Before this moment an open circuit refuses without the lock; 0 otherwise.
    open_until: AtomicU64,
    shadow: AtomicBool,
}

impl Status {
    pub(crate) fn new(shadow: bool) -> Self {
        Self {
            word: AtomicU64::new(word(0, Gate::Calm)),
            open_until: AtomicU64::new(0),
            shadow: AtomicBool::new(shadow),
        }
    }

    #[inline]
    pub(crate) fn read(&self) -> (u64, Gate) {
        let word = self.word.load(Ordering::Acquire);
        let gate = [Gate::Calm, Gate::Alert, Gate::Off, Gate::Shadow]
            .into_iter()
            .find(|gate| *gate as u64 == word & KIND)
            .unwrap_or(Gate::Shut);
        (word >> KIND_BITS, gate)
    }

    /// The generation, where calls pass and their outcomes count.
    #[inline]
    pub(crate) fn closed(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        (word & KIND <= Gate::Alert as u64).then_some(word >> KIND_BITS)
    }

    /// The circuit is closed, without a worry, and of the generation that issued `pass` to an
    /// ordinary call.
    #[inline]
    pub(crate) fn is_calm_for(&self, pass: Pass) -> bool {
        self.word.load(Ordering::Acquire) == word(pass.word(), Gate::Calm)
    }

    pub(crate) fn open_until(&self) -> Moment {
        Moment::from_nanos(self.open_until.load(Ordering::Acquire))
    }

    pub(crate) fn is_shadow(&self) -> bool {
        self.shadow.load(Ordering::Acquire)
    }

    pub(crate) fn set_shadow(&self, shadow: bool) {
        self.shadow.store(shadow, Ordering::Release);
    }

    /// Shows what `machine` is now; the caller holds its lock.
    pub(crate) fn show(&self, machine: &Machine) {
        let gate = match machine.state() {
            State::Disabled => Gate::Off,
            State::Closed | State::ForcedClosed if machine.is_calm() => Gate::Calm,
            State::Closed | State::ForcedClosed => Gate::Alert,
            _ if self.is_shadow() => Gate::Shadow,
            _ => Gate::Shut,
        };
        let until = match gate {
            Gate::Shut => machine.open_until().map_or(0, Moment::nanos),
            _ => 0,
        };
        let shown = word(machine.generation(), gate);
        if self.word.load(Ordering::Relaxed) != shown {
            self.word.store(shown, Ordering::Release);
        }
        if self.open_until.load(Ordering::Relaxed) != until {
            self.open_until.store(until, Ordering::Release);
        }
    }
}

const fn word(generation: u64, gate: Gate) -> u64 {
    (generation << KIND_BITS) | gate as u64
}
