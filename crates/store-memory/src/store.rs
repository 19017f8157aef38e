use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, Durability, IdempotencyStore, Record, RecordKey,
    Resolution, Settled, Step, StoreError, StoreErrorKind, StoreFuture, StoredResponse, Unknown,
};
use http::HeaderMap;
use tokio::time::{Instant, timeout};

use crate::room::{Room, Usage};
use crate::shard::{Gone, Shard};
use crate::table::{KeyHasher, Name};
use crate::{Builder, Full, telemetry};

/// An [`IdempotencyStore`] in the memory of this process.
///
/// Clones share the records.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    room: Room,
    hasher: KeyHasher,
    shards: Box<[Mutex<Shard>]>,
    /// The shard that gives up a record next.
    next: AtomicUsize,
}

impl Default for MemoryStore {
    /// A store with every default of the [`Builder`].
    fn default() -> Self {
        Self::builder().build()
    }
}

impl MemoryStore {
    /// Starts from the defaults: 100 000 records, 64 MiB of answers.
    pub const fn builder() -> Builder {
        Builder::new()
    }

    /// How full it is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.shared.room.usage()
    }

    pub(crate) fn new(max_records: usize, max_bytes: usize) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let shards = (4 * threads).next_power_of_two().max(16);
        let hasher = KeyHasher::default();
        let shards = (0..shards).map(|_| Mutex::new(Shard::new(hasher.clone())));
        Self {
            shared: Arc::new(Shared {
                origin: Instant::now(),
                room: Room::new(max_records, max_bytes),
                shards: shards.collect(),
                hasher,
                next: AtomicUsize::new(0),
            }),
        }
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn shard(&self, name: Name<'_>) -> MutexGuard<'_, Shard> {
        let [.., high, low] = *name.key.as_bytes();
        lock(self.nth(usize::from(u16::from_be_bytes([high, low]))))
    }

    /// One of the shards; their number is a power of two.
    #[allow(clippy::indexing_slicing)]
    fn nth(&self, number: usize) -> &Mutex<Shard> {
        &self.shards[number & (self.shards.len() - 1)]
    }

    fn begin(&self, request: &BeginRequest) -> Result<Begin, StoreError> {
        let name = self.hasher.name(&request.key);
        loop {
            let now = self.now();
            let mut shard = self.shard(name);
            let number = shard.find(name);
            if let Some(number) = number.or_else(|| shard.occupy(name, now, &self.room)) {
                let step = |slot: &mut Option<Record>| Record::begin(slot, request, now);
                let begun = shard.step(number, now, &self.room, step);
                return begun.map(|step| step.answer);
            }
            drop(shard);
            self.make_room(now, Shard::make_room)?;
        }
    }

    fn complete(
        &self,
        claim: &Claim,
        response: &StoredResponse,
        retention: Duration,
    ) -> Result<Settled, StoreError> {
        let cut;
        let response = if self.fits(response) {
            response
        } else {
            cut = self.cut(response)?;
            &cut
        };
        self.take_bytes(response)?;
        let settled = self.step(claim.key(), |slot, now| {
            Record::complete(slot, claim.token(), response, retention, now)
        });
        Ok(self.keep_bytes(settled, response))
    }

    fn adopt(&self, key: &RecordKey, resolution: &Resolution) -> Result<Settled, StoreError> {
        let Resolution::Completed {
            response,
            retention,
        } = resolution
        else {
            return Ok(self.step(key, |slot, now| Record::adopt(slot, resolution, now)));
        };
        let response = if self.fits(response) {
            response.clone()
        } else {
            self.cut(response)?
        };
        self.take_bytes(&response)?;
        let resolution = Resolution::Completed {
            response: response.clone(),
            retention: *retention,
        };
        let settled = self.step(key, |slot, now| Record::adopt(slot, &resolution, now));
        Ok(self.keep_bytes(settled, &response))
    }

    fn step(
        &self,
        key: &RecordKey,
        step: impl Fn(&mut Option<Record>, Duration) -> Step<Settled>,
    ) -> Settled {
        let (name, now) = (self.hasher.name(key), self.now());
        let mut shard = self.shard(name);
        match shard.find(name) {
            Some(number) => shard.step(number, now, &self.room, |slot| step(slot, now)),
            // It changes nothing, and says so.
            None => step(&mut None, now),
        }
        .answer
    }

    fn fits(&self, response: &StoredResponse) -> bool {
        response.encoded().len() <= self.room.max_bytes
    }

    /// Of an answer that would never fit, what does.
    fn cut(&self, response: &StoredResponse) -> Result<StoredResponse, StoreError> {
        let response = response.drop_body()?;
        if self.fits(&response) {
            return Ok(response);
        }
        let status = response.to_response()?.status();
        Ok(StoredResponse::without_body(status, &HeaderMap::new()))
    }

    fn take_bytes(&self, response: &StoredResponse) -> Result<(), StoreError> {
        let bytes = response.encoded().len();
        while !self.room.take_bytes(bytes) {
            self.make_room(self.now(), Shard::make_bytes)?;
        }
        Ok(())
    }

    fn keep_bytes(&self, settled: Settled, response: &StoredResponse) -> Settled {
        if settled != Settled::Applied {
            self.room.return_bytes(response.encoded().len());
        }
        settled
    }

    fn make_room(
        &self,
        now: Duration,
        make: impl Fn(&mut Shard, Duration, &Room) -> Option<Gone>,
    ) -> Result<(), StoreError> {
        let first = self.next.fetch_add(1, Relaxed);
        let gone = (0..self.shards.len()).find_map(|step| {
            let mut shard = lock(self.nth(first.wrapping_add(step)));
            make(&mut shard, now, &self.room)
        });
        match gone {
            Some(Gone::Expired) => Ok(()),
            Some(Gone::Evicted) => {
                self.room.count_eviction();
                telemetry::evicted();
                Ok(())
            }
            None => Err(
                StoreError::new(StoreErrorKind::Unavailable, "making room for a record")
                    .caused_by(Full::new(self.room.max_records)),
            ),
        }
    }

    async fn wait(&self, key: &RecordKey, limit: Duration) {
        let name = self.hasher.name(key);
        let deadline = self.now().saturating_add(limit);
        while self.now() < deadline {
            let waiters;
            let changed;
            let lease_end;
            {
                let mut shard = self.shard(name);
                let now = self.now();
                let record = shard.record(name);
                let Some(end) = record.and_then(|record| record.busy_until(now)) else {
                    return;
                };
                let Some(found) = shard.waiters(name) else {
                    return;
                };
                // Registered under the lock: no settlement can slip in between.
                waiters = found;
                changed = waiters.notified();
                lease_end = end;
            }
            let until = lease_end.min(deadline).saturating_sub(self.now());
            // Whichever comes first, the record says what it means.
            let _ = timeout(until, changed).await;
        }
    }

    fn unknowns(&self, after: Option<&RecordKey>, limit: NonZeroUsize) -> Vec<Unknown> {
        let now = self.now();
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            let unknowns = shard.unknowns(now);
            found.extend(unknowns.filter(|(key, _)| after.is_none_or(|after| key > after)));
        }
        found.sort_unstable();
        found.truncate(limit.get());
        let unknown = |(key, execution)| Unknown::new(key, execution);
        found.into_iter().map(unknown).collect()
    }

    fn purge(&self, limit: NonZeroUsize) -> usize {
        let now = self.now();
        self.shards.iter().fold(0, |purged, shard| {
            purged + lock(shard).purge(limit.get() - purged, now, &self.room)
        })
    }
}

impl IdempotencyStore for MemoryStore {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        at_once(move || self.shared.begin(&request))
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        at_once(move || self.shared.complete(claim, response, retention))
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        at_once(move || {
            Ok(self.shared.step(claim.key(), |slot, now| {
                Record::renew(slot, claim.token(), lease, now)
            }))
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        at_once(move || {
            Ok(self.shared.step(claim.key(), |slot, now| {
                Record::release(slot, claim.token(), now)
            }))
        })
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        at_once(move || self.shared.adopt(key, resolution))
    }

    /// Looks at every record: a call for operators, not for each request.
    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        at_once(move || Ok(self.shared.unknowns(after, limit)))
    }

    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.shared.wait(key, limit).await;
            Ok(())
        })
    }

    /// Optional here: each begin of a new key removes two expired records of its shard.
    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        at_once(move || Ok(self.shared.purge(limit)))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::Process).waking()
    }
}

/// Answers when it is first polled.
///
/// An `async` block would do the same and first move what it holds, a request of 120 bytes.
fn at_once<'a, T>(
    mut answer: impl FnMut() -> Result<T, StoreError> + Send + 'a,
) -> StoreFuture<'a, T> {
    Box::pin(poll_fn(move |_| Poll::Ready(answer())))
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A panic under the lock can only come from a failed allocation; each step leaves a record
    // whole or untouched.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
