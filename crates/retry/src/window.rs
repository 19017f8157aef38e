use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many slices of one second are remembered.
pub(crate) const SLICES: u32 = 10;

/// A power of two over [`SLICES`], so that a slot is found without a division.
const SLOTS: usize = 16;

/// How many successes may stand unbooked.
const UNBOOKED: u32 = 64;

/// Successes and retries of the last [`SLICES`] slices; older ones fall out by themselves.
///
/// A success is one atomic operation. Retries are counted under a lock, which no success takes.
#[derive(Debug, Default)]
pub(crate) struct Window {
    successes: [AtomicU64; SLOTS],
    /// Successes whose slice nobody has looked up yet.
    unbooked: AtomicU32,
    retries: Mutex<[Slot; SLOTS]>,
}

/// What happened in one slice; its number tells a slot of now from one of sixteen slices ago.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Slot {
    slice: u32,
    count: u32,
}

#[allow(clippy::indexing_slicing, reason = "`index` is below `SLOTS`")]
impl Window {
    /// Counts a success without its slice; false where so many stand unbooked that none is added.
    #[inline]
    pub(crate) fn succeeded_lately(&self) -> bool {
        let room = self.unbooked.load(Ordering::Relaxed) < UNBOOKED;
        if room {
            self.unbooked.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    /// Counts the successes that stand unbooked in `slice`.
    pub(crate) fn book(&self, slice: u32) {
        if self.unbooked.load(Ordering::Relaxed) > 0 {
            self.succeeded(slice, self.unbooked.swap(0, Ordering::Relaxed));
        }
    }

    /// Counts so many successes in `slice`.
    pub(crate) fn succeeded(&self, slice: u32, count: u32) {
        let slot = &self.successes[index(slice)];
        let mut seen = slot.load(Ordering::Relaxed);
        loop {
            let Some(next) = Slot::unpack(seen).add(slice, count) else {
                return;
            };
            match slot.compare_exchange_weak(
                seen,
                next.pack(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(changed) => seen = changed,
            }
        }
    }

    /// Counts a retry in `slice`, if `afford(successes, retries)` of the whole window lets it.
    pub(crate) fn try_retry(&self, slice: u32, afford: impl FnOnce(u64, u64) -> bool) -> bool {
        self.book(slice);
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        if !afford(self.successes(slice), sum(&retries[..], slice)) {
            return false;
        }
        let slot = &mut retries[index(slice)];
        if let Some(next) = slot.add(slice, 1) {
            *slot = next;
        }
        true
    }

    /// Successes and retries in the window that ends with `slice`.
    pub(crate) fn counts(&self, slice: u32) -> (u64, u64) {
        self.book(slice);
        let retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        (self.successes(slice), sum(&retries[..], slice))
    }

    fn successes(&self, slice: u32) -> u64 {
        let slots = self.successes.each_ref();
        sum(
            &slots.map(|slot| Slot::unpack(slot.load(Ordering::Relaxed))),
            slice,
        )
    }
}

impl Slot {
    /// The slot with so many more in `slice`; `None` when it belongs to a later one already.
    const fn add(self, slice: u32, count: u32) -> Option<Self> {
        let count = match self.slice {
            same if same == slice => self.count.saturating_add(count),
            earlier if earlier < slice => count,
            _ => return None,
        };
        Some(Self { slice, count })
    }

    const fn pack(self) -> u64 {
        (self.slice as u64) << 32 | self.count as u64
    }

    #[allow(clippy::cast_possible_truncation, reason = "each half is 32 bits")]
    const fn unpack(packed: u64) -> Self {
        Self {
            slice: (packed >> 32) as u32,
            count: packed as u32,
        }
    }
}

const fn index(slice: u32) -> usize {
    slice as usize % SLOTS
}

fn sum(slots: &[Slot], slice: u32) -> u64 {
    slots
        .iter()
        .filter(|slot| slot.slice <= slice && slice - slot.slice < SLICES)
        .map(|slot| u64::from(slot.count))
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the window must agree with: every event with its slice, counted anew each time.
    #[derive(Default)]
    struct Naive {
        successes: Vec<u32>,
        retries: Vec<u32>,
    }

    impl Naive {
        fn counts(&self, slice: u32) -> (u64, u64) {
            let count = |events: &[u32]| {
                events
                    .iter()
                    .filter(|&&event| event <= slice && event + SLICES > slice)
                    .count() as u64
            };
            (count(&self.successes), count(&self.retries))
        }
    }

    proptest! {
        #[test]
        fn it_counts_like_a_list_of_all_events(
            events in prop::collection::vec((0_u32..25, any::<bool>()), 0..400),
        ) {
            let (window, mut naive, mut slice) = (Window::default(), Naive::default(), 0);
            for (step, success) in events {
                // Mostly bursts within a slice, at times a gap longer than the window.
                slice += if step < 20 { step / 15 } else { step - 12 };
                if success {
                    window.succeeded(slice, 1);
                    naive.successes.push(slice);
                } else if window.try_retry(slice, |successes, retries| retries <= successes) {
                    naive.retries.push(slice);
                }
                prop_assert_eq!(window.counts(slice), naive.counts(slice));
            }
        }
    }

    #[test]
    fn successes_without_a_slice_are_booked_with_the_next_look_at_the_clock() {
        let window = Window::default();
        for _ in 0..UNBOOKED {
            assert!(window.succeeded_lately());
        }
        assert!(
            !window.succeeded_lately(),
            "there is a bound to what stands unbooked"
        );
        window.book(7);
        assert!(window.succeeded_lately());
        assert_eq!(window.counts(8), (u64::from(UNBOOKED) + 1, 0));
        assert_eq!(window.counts(17), (1, 0));
    }

    #[test]
    fn a_straggler_from_a_slice_long_gone_changes_nothing() {
        let window = Window::default();
        window.succeeded(16, 1);
        window.succeeded(0, 1);
        assert_eq!(window.counts(16), (1, 0));
    }

    #[test]
    fn a_straggler_from_the_last_slice_still_counts_there() {
        let window = Window::default();
        window.succeeded(5, 1);
        window.succeeded(4, 1);
        assert_eq!(window.counts(5), (2, 0));
        assert_eq!(window.counts(14), (1, 0));
    }

    #[test]
    fn nothing_is_lost_between_two_threads() {
        const EACH: u64 = 100_000;
        let window = Window::default();
        let spent = std::thread::scope(|scope| {
            let workers = [0, 1].map(|_| {
                scope.spawn(|| {
                    let mut spent = 0;
                    for _ in 0..EACH {
                        window.succeeded(3, 1);
                        if !window.succeeded_lately() {
                            window.book(3);
                            window.succeeded(3, 1);
                        }
                        spent += u64::from(window.try_retry(3, |_, retries| retries < EACH));
                    }
                    spent
                })
            });
            workers
                .map(|worker| worker.join().unwrap())
                .iter()
                .sum::<u64>()
        });
        assert_eq!(window.counts(3), (4 * EACH, EACH));
        assert_eq!(spent, EACH);
    }
}
