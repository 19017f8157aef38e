use std::array;
use std::num::NonZeroU64;

use crate::moment::Moment;
use crate::pass::Pass;
use crate::settings::Settings;
use crate::state::Machine;
use crate::status::Status;
use crate::sync::{AtomicU64, Ordering};
use crate::window::BUCKETS;

/// The successes of one thread's calls that the machine has not counted yet.
///
/// A bucket is one word, the low half of its tick above its count, and changes by compare and
/// swap: a success that was judged by an older generation finds the word changed and is not added.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Nanoseconds a bucket, where there is a time window.
    tick: Option<NonZeroU64>,
    buckets: [AtomicU64; RING],
    counting: bool,
    /// For the count window: the low bits of the generation above the count.
    total: AtomicU64,
}

/// A bucket so many ticks old has left the window: as many as there are buckets.
const AGES: i32 = 10;
const _: () = assert!(BUCKETS == 10, "as many as there are ages");

const TOTAL_BITS: u32 = 40;

/// More buckets than the window has, for this many are found faster.
const RING: usize = 16;

/// Ticks by which clocks of two threads may differ; what is further ahead has gone round.
const SKEW: i32 = 1 << 10;

impl Tally {
    pub(crate) fn new(settings: &Settings) -> Self {
        let counting = settings.count_window.is_some();
        Self {
            tick: settings.tick,
            buckets: array::from_fn(|_| AtomicU64::new(0)),
            counting,
            total: AtomicU64::new(0),
        }
    }

    /// Adds one success, made by `pass`; false where `status` tells another story by now.
    #[inline]
    pub(crate) fn succeed(
        &self,
        status: &Status,
        pass: Pass,
        now: impl FnOnce() -> Moment,
    ) -> bool {
        let calm = || status.is_calm_for(pass);
        match self.tick {
            Some(tick) => {
                let added = self.add(calm, now().nanos() / tick);
                // The first word decides: what it took the second takes too, unless both are cleared.
                if added && self.counting {
                    self.add_to_total(|| self.is_total_of(pass));
                }
                added
            }
            None if self.counting => self.add_to_total(calm),
            None => calm(),
        }
    }

    #[inline]
    #[allow(clippy::indexing_slicing, reason = "there are as many as slots")]
    fn add(&self, valid: impl Fn() -> bool, tick: u64) -> bool {
        let label = label(tick);
        swap(&self.buckets[slot(tick)], valid, |seen| {
            if high(seen) == label && low(seen) < u32::MAX {
                Some(seen + 1)
            } else {
                begin(seen, label)
            }
        })
    }

    #[inline(never)]
    fn add_to_total(&self, valid: impl Fn() -> bool) -> bool {
        swap(&self.total, valid, |seen| Some(seen + 1))
    }

    fn is_total_of(&self, pass: Pass) -> bool {
        let total = self.total.load(Ordering::Acquire);
        total >> TOTAL_BITS == pass.word() & (u64::MAX >> TOTAL_BITS)
    }

    /// Hands everything over to `machine`, whose lock the caller holds.
    pub(crate) fn drain(&self, machine: &mut Machine, now: Moment) {
        if let Some(tick) = self.tick {
            let current = now.nanos() / tick;
            for bucket in &self.buckets {
                let seen = bucket.load(Ordering::Acquire);
                if low(seen) == 0 || !is_recent(age(current, seen)) {
                    continue;
                }
                let seen = bucket.fetch_and(u64::from(u32::MAX) << 32, Ordering::AcqRel);
                let tick = current.saturating_add_signed(-i64::from(age(current, seen)));
                machine.absorb(tick, u64::from(low(seen)));
            }
        }
        if self.counting {
            let seen = self
                .total
                .fetch_and(u64::MAX << TOTAL_BITS, Ordering::AcqRel);
            machine.absorb_count(seen & !(u64::MAX << TOTAL_BITS));
        }
    }

    /// Forgets everything; `generation` is the one that begins.
    ///
    /// Each word becomes one that it has not been before, so that whoever read it before the change
    /// of generation fails to swap it.
    pub(crate) fn clear(&self, generation: u64, now: Moment) {
        if let Some(tick) = self.tick {
            let stale = (now.nanos() / tick)
                .wrapping_sub(BUCKETS as u64)
                .wrapping_sub(generation & 0xFFFF);
            for bucket in &self.buckets {
                bucket.swap(join(label(stale), 0), Ordering::AcqRel);
            }
        }
        if self.counting {
            self.total.swap(generation << TOTAL_BITS, Ordering::AcqRel);
        }
    }
}

/// Swaps `word` for what `change` makes of it, if it stays the same while `valid` is found true.
#[inline]
fn swap(word: &AtomicU64, valid: impl Fn() -> bool, change: impl Fn(u64) -> Option<u64>) -> bool {
    loop {
        let seen = word.load(Ordering::Acquire);
        if !valid() {
            return false;
        }
        let Some(next) = change(seen) else {
            return true;
        };
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        if word
            .compare_exchange_weak(seen, next, success, failure)
            .is_ok()
        {
            return true;
        }
    }
}

/// The word of a bucket at its first success; none if it is full, or taken over by later calls.
#[cold]
fn begin(seen: u64, label: u32) -> Option<u64> {
    let ahead = label.wrapping_sub(high(seen)).cast_signed();
    (!(-SKEW..=0).contains(&ahead)).then(|| join(label, 1))
}

/// How many ticks a bucket lies behind `current`; below zero where its writer's clock was ahead.
const fn age(current: u64, bucket: u64) -> i32 {
    label(current).wrapping_sub(high(bucket)).cast_signed()
}

const fn is_recent(age: i32) -> bool {
    -SKEW <= age && age < AGES
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a remainder of sixteen fits everywhere"
)]
const fn slot(tick: u64) -> usize {
    (tick % RING as u64) as usize
}

#[allow(clippy::cast_possible_truncation, reason = "the low half is meant")]
const fn label(tick: u64) -> u32 {
    tick as u32
}

#[allow(clippy::cast_possible_truncation, reason = "the low half is meant")]
const fn low(word: u64) -> u32 {
    word as u32
}

const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

const fn join(high: u32, low: u32) -> u64 {
    ((high as u64) << 32) | low as u64
}
