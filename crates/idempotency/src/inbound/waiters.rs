use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use buttress_store::RecordKey;

/// How many requests wait for somebody else's execution, by key.
#[derive(Clone)]
pub(crate) struct Waiters {
    max: NonZeroUsize,
    counts: Arc<Mutex<HashMap<RecordKey, usize>>>,
}

/// A place among the waiters of one key.
pub(crate) struct Waiting {
    waiters: Waiters,
    key: RecordKey,
}

impl Waiters {
    pub(crate) fn new(max: NonZeroUsize) -> Self {
        Self {
            max,
            counts: Arc::default(),
        }
    }

    pub(crate) fn join(&self, key: RecordKey) -> Option<Waiting> {
        let mut counts = self.lock();
        let count = counts.entry(key).or_default();
        if *count >= self.max.get() {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Waiting {
            waiters: self.clone(),
            key,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordKey, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut counts = self.waiters.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters")
            .field("max", &self.max)
            .field("keys", &self.lock().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_waiter_is_gone_and_no_key_stays_behind() {
        let waiters = Waiters::new(NonZeroUsize::MIN);
        let [one, other] = [b"1", b"2"].map(|name| RecordKey::derive(&[name]));
        let place = waiters.join(one).unwrap();
        assert!(waiters.join(one).is_none());
        assert!(waiters.join(other).is_some());
        drop(place);
        assert!(waiters.lock().is_empty());
        assert!(waiters.join(one).is_some());
    }
}
