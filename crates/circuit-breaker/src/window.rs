use std::num::NonZeroU64;

use crate::moment::Moment;

/// A time window is this many buckets; what they hold leaves it a bucket at a time.
pub(crate) const BUCKETS: usize = 10;

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Counts {
    /// Calls that count: neither neutral nor abandoned by their caller.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Those of them that took longer than the slow-call limit, failed or not.
    pub slow: u64,
}

impl Counts {
    /// The share of failures, from 0 to 1; none without calls.
    #[must_use]
    pub fn failure_ratio(&self) -> Option<f64> {
        ratio(self.failures, self.calls)
    }

    /// The share of slow calls, from 0 to 1; none without calls.
    #[must_use]
    pub fn slow_ratio(&self) -> Option<f64> {
        ratio(self.slow, self.calls)
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    const fn of(failed: bool, slow: bool) -> Self {
        Self {
            calls: 1,
            failures: failed as u64,
            slow: slow as u64,
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "exact below 2^53 calls in one window"
)]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The calls of the last while, in ten buckets: each operation costs the same at any rate.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    tick: NonZeroU64,
    buckets: [Bucket; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    tick: u64,
    counts: Counts,
}

impl TimeWindow {
    pub(crate) fn new(tick: NonZeroU64) -> Self {
        Self {
            tick,
            buckets: [Bucket::default(); BUCKETS],
        }
    }

    pub(crate) fn tick(&self, now: Moment) -> u64 {
        now.nanos() / self.tick
    }

    /// Adds to the bucket of `tick`; nothing, where later calls have taken that bucket over.
    #[allow(clippy::indexing_slicing, reason = "there are as many as slots")]
    pub(crate) fn add(&mut self, tick: u64, counts: Counts) {
        let bucket = &mut self.buckets[slot(tick)];
        if bucket.tick < tick {
            *bucket = Bucket {
                tick,
                counts: Counts::default(),
            };
        }
        if bucket.tick == tick {
            bucket.counts.add(counts);
        }
    }

    pub(crate) fn push(&mut self, now: Moment, failed: bool, slow: bool) {
        self.add(self.tick(now), Counts::of(failed, slow));
    }

    pub(crate) fn counts(&self, now: Moment) -> Counts {
        let now = self.tick(now);
        let mut sum = Counts::default();
        for bucket in &self.buckets {
            if now.saturating_sub(bucket.tick) < BUCKETS as u64 {
                sum.add(bucket.counts);
            }
        }
        sum
    }

    pub(crate) fn clear(&mut self) {
        self.buckets = [Bucket::default(); BUCKETS];
    }
}

/// The bucket that `tick` counts in.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a remainder of ten fits everywhere"
)]
const fn slot(tick: u64) -> usize {
    (tick % BUCKETS as u64) as usize
}

/// The last so many calls, one bit of each kind a call: the oldest leaves when a new one comes.
#[derive(Debug)]
pub(crate) struct CountWindow {
    size: usize,
    filled: usize,
    next: usize,
    failed: Bits,
    slow: Bits,
}

impl CountWindow {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            filled: 0,
            next: 0,
            failed: Bits::new(size),
            slow: Bits::new(size),
        }
    }

    pub(crate) fn push(&mut self, failed: bool, slow: bool) {
        self.failed.set(self.next, failed);
        self.slow.set(self.next, slow);
        self.next = (self.next + 1) % self.size;
        self.filled = (self.filled + 1).min(self.size);
    }

    /// Pushes `successes` at once; more than fit push out everything else.
    pub(crate) fn push_successes(&mut self, successes: u64) {
        let fit = usize::try_from(successes).map_or(self.size, |n| n.min(self.size));
        if self.failed.ones == 0 && self.slow.ones == 0 {
            // Every slot is a success already, so only their number changes.
            self.filled = (self.filled + fit).min(self.size);
            return;
        }
        for _ in 0..fit {
            self.push(false, false);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            calls: self.filled as u64,
            failures: self.failed.ones,
            slow: self.slow.ones,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.filled = 0;
        self.failed.clear();
        self.slow.clear();
    }
}

#[derive(Debug)]
struct Bits {
    words: Box<[u64]>,
    ones: u64,
}

impl Bits {
    fn new(size: usize) -> Self {
        Self {
            words: vec![0; size.div_ceil(64)].into(),
            ones: 0,
        }
    }

    fn clear(&mut self) {
        self.words.fill(0);
        self.ones = 0;
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "there are words for as many bits as the window has calls"
    )]
    fn set(&mut self, index: usize, value: bool) {
        let (word, bit) = (&mut self.words[index / 64], 1 << (index % 64));
        let was = *word & bit != 0;
        if was != value {
            *word ^= bit;
            if value {
                self.ones += 1;
            } else {
                self.ones -= 1;
            }
        }
    }
}
