use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::{BoxError, KeyError, VerifyingKey};

/// The most names that are remembered, existing or not.
const ENTRIES: usize = 64;
/// How long a name that does not exist is remembered.
const ABSENT: Duration = Duration::from_secs(60);
/// The most fetches in one [`MINUTE`], whoever asks: names are the attacker's to choose.
const FETCHES: u32 = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// The most deliveries that wait for a fetch.
const WAITING: usize = 64;

/// Remembers keys; fetches one at a time, and not too often.
#[derive(Clone, Default)]
pub(super) struct Cache(Arc<Inner>);

#[derive(Default)]
struct Inner {
    entries: Mutex<HashMap<String, Entry>>,
    fetching: tokio::sync::Mutex<Pace>,
    failures: AtomicU64,
    waiting: AtomicUsize,
}

struct Entry {
    /// `None`: it does not exist.
    key: Option<VerifyingKey>,
    until: SystemTime,
}

#[derive(Default)]
struct Pace {
    since: Option<SystemTime>,
    fetches: u32,
}

/// What a fetch came to.
pub(super) struct Fetched {
    /// The key, and until when it may be used.
    pub(super) key: Option<(VerifyingKey, SystemTime)>,
}

impl Cache {
    /// What is known of a name, if anything.
    pub(super) fn known(
        &self,
        name: &str,
        now: SystemTime,
    ) -> Option<Result<VerifyingKey, KeyError>> {
        let entries = self
            .0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(name).filter(|entry| now < entry.until)?;
        Some(entry.key.clone().ok_or(KeyError::Unknown))
    }

    /// What is known of a name, or else what `fetch` finds.
    ///
    /// Dropping it while it fetches lets the next one fetch.
    pub(super) async fn get(
        &self,
        name: String,
        now: SystemTime,
        fetch: impl Future<Output = Result<Fetched, BoxError>>,
    ) -> Result<VerifyingKey, KeyError> {
        let failures = self.0.failures.load(Ordering::Relaxed);
        let mut pace = {
            let _waiter = Waiter::new(&self.0.waiting)?;
            self.0.fetching.lock().await
        };
        // Whoever held the lock before may have settled it.
        if let Some(known) = self.known(&name, now) {
            return known;
        }
        if self.0.failures.load(Ordering::Relaxed) != failures {
            return Err(unavailable("the fetch before this one failed"));
        }
        pace.take(now)?;
        let fetched = fetch.await.map_err(|error| {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
            KeyError::Unavailable(error)
        })?;
        let absent = now.checked_add(ABSENT).unwrap_or(now);
        let (key, until) = match fetched.key {
            Some((key, until)) => (Some(key), until),
            None => (None, absent),
        };
        self.remember(
            name,
            Entry {
                key: key.clone(),
                until,
            },
            now,
        );
        key.ok_or(KeyError::Unknown)
    }

    fn remember(&self, name: String, entry: Entry, now: SystemTime) {
        let mut entries = self
            .0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES && !entries.contains_key(&name) {
            entries.retain(|_, entry| now < entry.until);
        }
        if entries.len() >= ENTRIES && !entries.contains_key(&name) {
            // What does not exist goes first: it costs an attacker nothing to name more of it.
            let oldest = entries
                .iter()
                .min_by_key(|(_, entry)| (entry.key.is_some(), entry.until))
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        entries.insert(name, entry);
    }
}

impl Pace {
    /// Takes one of the fetches of this minute.
    fn take(&mut self, now: SystemTime) -> Result<(), KeyError> {
        let fresh = self
            .since
            .and_then(|since| now.duration_since(since).ok())
            .is_none_or(|passed| passed >= MINUTE);
        if fresh {
            self.since = Some(now);
            self.fetches = 0;
        }
        if self.fetches >= FETCHES {
            return Err(unavailable("too many fetches in a minute"));
        }
        self.fetches += 1;
        Ok(())
    }
}

fn unavailable(why: &'static str) -> KeyError {
    KeyError::Unavailable(why.into())
}

/// A place among those who wait, given back when it is dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a AtomicUsize) -> Result<Self, KeyError> {
        let waiter = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            return Err(unavailable("too many deliveries wait for keys"));
        }
        Ok(waiter)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
