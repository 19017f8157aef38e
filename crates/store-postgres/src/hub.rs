use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use buttress_store::RecordKey;
use tokio::sync::Notify;

/// Those of this process who wait, by the key that they wait for.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    waiters: Mutex<HashMap<RecordKey, Arc<Notify>>>,
    listening: AtomicBool,
}

/// A place among those who wait for one key; leaving it is dropping it.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    hub: &'a Hub,
    key: RecordKey,
    pub(crate) changed: Arc<Notify>,
}

impl Hub {
    pub(crate) fn join(&self, key: RecordKey) -> Place<'_> {
        let changed = Arc::clone(self.lock().entry(key).or_default());
        Place {
            hub: self,
            key,
            changed,
        }
    }

    /// Wakes those who wait for this key.
    pub(crate) fn wake(&self, key: &RecordKey) {
        if let Some(changed) = self.lock().get(key) {
            changed.notify_waiters();
        }
    }

    /// Whether settlements by other processes are heard of.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }

    /// Wakes everybody as well, for what happened in between was not heard.
    pub(crate) fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Release);
        for changed in self.lock().values() {
            changed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordKey, Arc<Notify>>> {
        // A panic under the lock can only come from a failed allocation.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiters = self.hub.lock();
        // Its own and the map's: nobody else waits, and nobody can join without the lock.
        if Arc::strong_count(&self.changed) <= 2 {
            waiters.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_that_are_left_leave_nothing_behind() {
        let hub = Hub::default();
        let key = RecordKey::derive(&[b"k"]);
        let (one, two) = (hub.join(key), hub.join(key));
        drop(one);
        assert_eq!(hub.lock().len(), 1);
        {
            let mut woken = std::pin::pin!(two.changed.notified());
            woken.as_mut().enable();
            hub.wake(&key);
            woken.await;
        }
        drop(two);
        assert!(hub.lock().is_empty());
    }
}
