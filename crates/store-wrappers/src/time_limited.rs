use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, IdempotencyStore, RecordKey, Resolution, Settled,
    StoreError, StoreErrorKind, StoreFuture, StoredResponse, Unknown,
};
use tokio::time::timeout;

use crate::forward::forward;

/// Gives up on a store that does not answer in time.
///
/// A call cut short may have changed something, so its error is
/// [`Indeterminate`](StoreErrorKind::Indeterminate): repeat it with the same token. For `unknowns`
/// and `wait`, which change nothing, it is [`Unavailable`](StoreErrorKind::Unavailable); a `wait` may
/// take its own limit longer.
#[derive(Clone, Debug)]
pub struct TimeLimited<S> {
    inner: S,
    limit: Duration,
}

impl<S> TimeLimited<S> {
    /// Limits each call of `inner`. For a store in the same data centre 2 seconds are ample.
    #[must_use]
    pub const fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

async fn limited<T>(
    limit: Duration,
    kind: StoreErrorKind,
    doing: &'static str,
    call: StoreFuture<'_, T>,
) -> Result<T, StoreError> {
    match timeout(limit, call).await {
        Ok(result) => result,
        Err(elapsed) => Err(StoreError::new(kind, doing).caused_by(elapsed)),
    }
}

impl<S: IdempotencyStore> IdempotencyStore for TimeLimited<S> {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        let call = self.inner.begin(request);
        let kind = StoreErrorKind::Indeterminate;
        Box::pin(limited(self.limit, kind, "beginning in time", call))
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        let call = self.inner.complete(claim, response, retention);
        let kind = StoreErrorKind::Indeterminate;
        Box::pin(limited(self.limit, kind, "completing in time", call))
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        let call = self.inner.renew(claim, lease);
        let kind = StoreErrorKind::Indeterminate;
        Box::pin(limited(self.limit, kind, "renewing in time", call))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        let call = self.inner.release(claim);
        let kind = StoreErrorKind::Indeterminate;
        Box::pin(limited(self.limit, kind, "releasing in time", call))
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        let call = self.inner.adopt(key, resolution);
        let kind = StoreErrorKind::Indeterminate;
        Box::pin(limited(self.limit, kind, "adopting in time", call))
    }

    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        let call = self.inner.unknowns(after, limit);
        let kind = StoreErrorKind::Unavailable;
        Box::pin(limited(self.limit, kind, "listing in time", call))
    }

    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        let call = self.inner.wait(key, limit);
        let (kind, limit) = (
            StoreErrorKind::Unavailable,
            self.limit.saturating_add(limit),
        );
        Box::pin(limited(limit, kind, "waiting in time", call))
    }

    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        let call = self.inner.purge(limit);
        let kind = StoreErrorKind::Indeterminate;
        Box::pin(limited(self.limit, kind, "purging in time", call))
    }

    forward!(capabilities);
}
