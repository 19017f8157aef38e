use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_store::{Record, RecordKey, Unknown};
use foldhash::fast::RandomState;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::clock::Clock;

/// Every record in progress, as committed: what most calls ask about is answered without a query,
/// and those who wait are woken.
///
/// This process alone writes to the database, so nothing can change behind it.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashMap<RecordKey, Entry, RandomState>>);

#[derive(Debug)]
struct Entry {
    record: Record,
    waiters: Option<Arc<Notify>>,
}

impl Claims {
    pub(crate) fn get(&self, key: &RecordKey) -> Option<Record> {
        self.lock().get(key).map(|entry| entry.record.clone())
    }

    /// What was committed for this key. A record no longer in progress wakes those who wait.
    pub(crate) fn set(&self, key: RecordKey, record: Option<&Record>) {
        let mut claims = self.lock();
        match record.filter(|record| record.is_in_progress()) {
            Some(record) => {
                let waiters = claims.remove(&key).and_then(|entry| entry.waiters);
                let record = record.clone();
                claims.insert(key, Entry { record, waiters });
            }
            None => {
                if let Some(waiters) = claims.remove(&key).and_then(|entry| entry.waiters) {
                    waiters.notify_waiters();
                }
            }
        }
    }

    pub(crate) fn expired(&self, now: Duration, limit: usize) -> Vec<RecordKey> {
        let claims = self.lock();
        let expired = claims
            .iter()
            .filter(|(_, entry)| entry.record.expires_at().is_some_and(|end| end <= now));
        expired.map(|(key, _)| *key).take(limit).collect()
    }

    pub(crate) fn unknowns(
        &self,
        now: Duration,
        after: Option<&RecordKey>,
        limit: NonZeroUsize,
    ) -> Vec<Unknown> {
        let claims = self.lock();
        let mut unknowns: Vec<_> = claims
            .iter()
            .filter(|(key, entry)| {
                entry.record.is_unknown(now) && after.is_none_or(|after| *key > after)
            })
            .map(|(key, entry)| (*key, entry.record.execution))
            .collect();
        unknowns.sort_unstable();
        unknowns.truncate(limit.get());
        let unknown = |(key, execution)| Unknown::new(key, execution);
        unknowns.into_iter().map(unknown).collect()
    }

    pub(crate) async fn wait(&self, key: &RecordKey, limit: Duration, clock: Clock) {
        let deadline = clock.now().saturating_add(limit);
        while clock.now() < deadline {
            let waiters;
            let settled;
            let lease_end;
            {
                let mut claims = self.lock();
                let Some(entry) = claims.get_mut(key) else {
                    return;
                };
                let Some(end) = entry.record.busy_until(clock.now()) else {
                    return;
                };
                lease_end = end;
                // Registered under the lock: no settlement can slip in between.
                waiters = Arc::clone(entry.waiters.get_or_insert_default());
                settled = waiters.notified();
            }
            let until = lease_end.min(deadline).saturating_sub(clock.now());
            // Whichever comes first, the record says what it means.
            let _ = timeout(until, settled).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordKey, Entry, RandomState>> {
        // A panic under the lock can only come from a failed allocation.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
