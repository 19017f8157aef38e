use crate::sync::{AtomicU64, Ordering};

const ENTRY: u64 = 1 << 32;
const PRESENT: u64 = ENTRY - 1;

/// How many seats of one lane are taken, below how many ever were.
///
/// A seat that moves from lane to lane could escape a walk over plain counts. It cannot escape two
/// walks that find nobody and the same number of entries: between them nobody was there.
#[derive(Debug, Default)]
pub(crate) struct Members(AtomicU64);

impl Members {
    #[inline]
    pub(crate) fn enter(&self) {
        self.0.fetch_add(ENTRY + 1, Ordering::SeqCst);
    }

    /// True for the last one of this lane.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::SeqCst) & PRESENT == 1
    }

    /// Nobody is on any of these lanes, at one moment. Whoever leaves last of all learns it.
    pub(crate) fn all_gone<'a>(lanes: impl Iterator<Item = &'a Self> + Clone) -> bool {
        // The model checker takes SeqCst for less than it is, and fences for all they are.
        #[cfg(all(test, loom))]
        loom::sync::atomic::fence(Ordering::SeqCst);
        match (entries(lanes.clone()), entries(lanes)) {
            (Some(first), Some(second)) => first == second,
            _ => false,
        }
    }
}

/// The sum of all entries; none where somebody is present.
fn entries<'a>(mut lanes: impl Iterator<Item = &'a Members>) -> Option<u64> {
    lanes.try_fold(0_u64, |sum, lane| {
        let word = lane.0.load(Ordering::SeqCst);
        (word & PRESENT == 0).then(|| sum.wrapping_add(word))
    })
}
