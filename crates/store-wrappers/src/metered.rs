use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, IdempotencyStore, RecordKey, Resolution, Settled,
    StoreFuture, StoredResponse, Unknown,
};
use tokio::time::Instant;

use crate::forward::forward;
use crate::{Meter, Operation, telemetry};

/// Counts and times the calls of a store.
///
/// Counts are read from its [`Meter`]. Each call is a `trace` event too, and with the feature
/// `metrics` a value of the histogram `db.client.operation.duration`. A call dropped before its end
/// is counted as failed, with the `error.type` `dropped`.
#[derive(Clone, Debug)]
pub struct Metered<S> {
    inner: S,
    system: &'static str,
    meter: Meter,
}

impl<S> Metered<S> {
    /// Meters `inner`, under this `db.system.name` (`sqlite`, `postgresql`, `redis`).
    #[must_use]
    pub fn new(inner: S, system: &'static str) -> Self {
        Self {
            inner,
            system,
            meter: Meter::default(),
        }
    }

    /// The counts. Keep a clone, and read it at any time.
    #[must_use]
    pub const fn meter(&self) -> &Meter {
        &self.meter
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        operation: Operation,
        call: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let (system, meter) = (self.system, &self.meter);
        Box::pin(async move {
            let mut timing = Timing::begin(system, operation, meter);
            let result = call().await;
            timing.failure = result
                .as_ref()
                .err()
                .map(|error| telemetry::error_type(error.kind()));
            result
        })
    }
}

/// One call under way; dropping it ends it.
struct Timing<'a> {
    system: &'static str,
    operation: Operation,
    meter: &'a Meter,
    begun: Instant,
    failure: Option<&'static str>,
}

impl<'a> Timing<'a> {
    fn begin(system: &'static str, operation: Operation, meter: &'a Meter) -> Self {
        meter.count_call(operation);
        Self {
            system,
            operation,
            meter,
            begun: Instant::now(),
            failure: Some("dropped"),
        }
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        if self.failure.is_some() {
            self.meter.count_failure(self.operation);
        }
        let took = self.begun.elapsed();
        telemetry::called(self.system, self.operation, took, self.failure);
    }
}

impl<S: IdempotencyStore> IdempotencyStore for Metered<S> {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        self.call(Operation::Begin, move || self.inner.begin(request))
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        self.call(Operation::Complete, move || {
            self.inner.complete(claim, response, retention)
        })
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        self.call(Operation::Renew, move || self.inner.renew(claim, lease))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        self.call(Operation::Release, move || self.inner.release(claim))
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        self.call(Operation::Adopt, move || self.inner.adopt(key, resolution))
    }

    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        self.call(Operation::Unknowns, move || {
            self.inner.unknowns(after, limit)
        })
    }

    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        self.call(Operation::Wait, move || self.inner.wait(key, limit))
    }

    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        self.call(Operation::Purge, move || self.inner.purge(limit))
    }

    forward!(capabilities);
}
