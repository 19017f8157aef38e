use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use buttress_store::RecordKey;
use tokio::sync::Notify;

/// Those of this process who wait for a key, and whether anybody listens for them.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    keys: Mutex<HashMap<RecordKey, Entry>>,
    listeners: AtomicUsize,
}

#[derive(Debug, Default)]
struct Entry {
    settled: Arc<Notify>,
    count: usize,
}

impl Waiters {
    /// A place among those who wait for `key`, given up when it is dropped.
    pub(crate) fn enter<'a>(&'a self, key: &'a RecordKey) -> Waiter<'a> {
        let mut keys = self.lock();
        let entry = keys.entry(*key).or_default();
        entry.count += 1;
        Waiter {
            waiters: self,
            key,
            settled: Arc::clone(&entry.settled),
        }
    }

    pub(crate) fn wake(&self, key: &RecordKey) {
        if let Some(entry) = self.lock().get(key) {
            entry.settled.notify_waiters();
        }
    }

    /// What was told meanwhile, nobody heard: all look again.
    pub(crate) fn wake_all(&self) {
        for entry in self.lock().values() {
            entry.settled.notify_waiters();
        }
    }

    /// Whether those who wait are told.
    pub(crate) fn are_told(&self) -> bool {
        self.listeners.load(Ordering::Acquire) > 0
    }

    /// From now on they are, until this is dropped.
    pub(crate) fn listening(self: &Arc<Self>) -> Listening {
        self.listeners.fetch_add(1, Ordering::AcqRel);
        self.wake_all();
        Listening(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordKey, Entry>> {
        // A panic under the lock can only come from a failed allocation.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    waiters: &'a Waiters,
    key: &'a RecordKey,
    pub(crate) settled: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut keys = self.waiters.lock();
        if let Some(entry) = keys.get_mut(self.key) {
            entry.count -= 1;
            if entry.count == 0 {
                keys.remove(self.key);
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Listening(Arc<Waiters>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::AcqRel);
        // They look again, and poll from then on.
        self.0.wake_all();
    }
}
