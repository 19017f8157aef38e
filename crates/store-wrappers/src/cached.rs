use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, IdempotencyStore, RecordKey, Resolution, Settled,
    StoreFuture, StoredResponse, Unknown,
};
use tokio::time::Instant;

use crate::cache::Cache;
use crate::forward::forward;

/// Keeps copies of answers in this process, so that a replay costs no round trip.
///
/// Safe because a completed record never changes until it expires: nothing else is ever kept, and a
/// copy leaves no later than its record does. The fingerprint is checked against the copy as the
/// store would. The first replay asks the store; the ones after it do not. Clones share the copies.
///
/// Around [`Encrypted`](crate::Encrypted) the copies are plain in this process's memory; inside it
/// they stay sealed, and each replay decrypts.
#[derive(Clone, Debug)]
pub struct Cached<S> {
    inner: S,
    cache: Arc<Mutex<Cache>>,
}

impl<S> Cached<S> {
    /// Keeps copies of the answers in `inner`: at most 10 000, and 16 MiB.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            cache: Arc::new(Mutex::new(Cache::new(10_000, 16 << 20))),
        }
    }

    /// Keeps at most this many copies. Default: 10 000. The oldest leaves first.
    #[must_use]
    pub fn max_records(self, records: NonZeroUsize) -> Self {
        self.lock().max_records = records.get();
        self
    }

    /// Keeps at most this many bytes of answers. Default: 16 MiB. One that is larger is not kept.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.lock().max_bytes = bytes;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // No panic can happen under the lock but a failed allocation.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer from the copy, if there is one that the store would give as well.
    fn copy(&self, request: &BeginRequest, now: Instant) -> Option<Begin> {
        let (fingerprint, response, expires_at) = self.lock().find(&request.key, now)?;
        // Of another version of fingerprint only the store may judge.
        match request.fingerprint.matches(&fingerprint) {
            Ok(true) => Some(Begin::Completed {
                response,
                expires_in: expires_at.saturating_duration_since(now),
            }),
            Ok(false) => Some(Begin::Mismatch),
            Err(_) => None,
        }
    }
}

impl<S: IdempotencyStore> IdempotencyStore for Cached<S> {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        Box::pin(async move {
            let asked = Instant::now();
            if let Some(begin) = self.copy(&request, asked) {
                return Ok(begin);
            }
            let begin = self.inner.begin(request).await?;
            if let Begin::Completed {
                response,
                expires_in,
            } = &begin
                // Counted from before the question, so the copy leaves before the record does.
                && let Some(expires_at) = asked.checked_add(*expires_in)
            {
                let (key, fingerprint) = (request.key, request.fingerprint);
                self.lock()
                    .keep(key, fingerprint, response.clone(), expires_at);
            }
            Ok(begin)
        })
    }

    forward!(complete renew release adopt unknowns wait purge capabilities);
}
