//! Small numbers for threads: whoever ends gives his back, so that they stay small.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Not the number of any thread.
const NONE: usize = usize::MAX;

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
    used: 0,
    free: BTreeSet::new(),
});

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(NONE) };
    static LEASE: Lease = Lease::take();
}

struct Numbers {
    used: usize,
    free: BTreeSet<usize>,
}

/// A thread's hold on its number.
struct Lease(usize);

impl Lease {
    fn take() -> Self {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        Self(numbers.free.pop_first().unwrap_or_else(|| {
            numbers.used += 1;
            numbers.used - 1
        }))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.free.insert(self.0);
    }
}

/// The number of this thread, or none of any thread where it has never been asked for.
#[inline]
pub(crate) fn known() -> usize {
    SLOT.get()
}

/// The number of this thread.
pub(crate) fn here() -> usize {
    if SLOT.get() == NONE {
        // A thread that is at its end shares the first number: it only decides what is contended.
        SLOT.set(LEASE.try_with(|lease| lease.0).unwrap_or(0));
    }
    SLOT.get()
}

#[cfg(test)]
mod tests {
    use std::thread;

    #[test]
    fn numbers_are_given_again_when_threads_end() {
        let mine = super::here();
        assert_eq!(mine, super::here());
        for _ in 0..1000 {
            let other = thread::spawn(super::here).join().unwrap();
            assert_ne!(other, mine);
            assert!(other < 100, "{other} of a few threads at once");
        }
    }
}
