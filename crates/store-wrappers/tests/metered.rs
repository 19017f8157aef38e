//! `Metered` counts every call, however it ends; `TimeLimited` ends it.

mod common;

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, IdempotencyStore, RecordKey, Resolution, Settled,
    StoreError, StoreErrorKind, StoreFuture, StoredResponse, Unknown,
};
use buttress_store_memory::MemoryStore;
use buttress_store_wrappers::{Metered, Operation, TimeLimited};
use common::{DAY, LEASE, answer, claim, complete, key, request, secret_answer};
use tokio::time::{Instant, error::Elapsed};

/// A store that never answers.
struct Silent;

impl IdempotencyStore for Silent {
    fn begin(&self, _: BeginRequest) -> StoreFuture<'_, Begin> {
        Box::pin(std::future::pending())
    }
    fn complete<'a>(
        &'a self,
        _: &'a Claim,
        _: &'a StoredResponse,
        _: Duration,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(std::future::pending())
    }
    fn renew<'a>(&'a self, _: &'a Claim, _: Duration) -> StoreFuture<'a, Settled> {
        Box::pin(std::future::pending())
    }
    fn release<'a>(&'a self, _: &'a Claim) -> StoreFuture<'a, Settled> {
        Box::pin(std::future::pending())
    }
    fn adopt<'a>(&'a self, _: &'a RecordKey, _: &'a Resolution) -> StoreFuture<'a, Settled> {
        Box::pin(std::future::pending())
    }
    fn unknowns<'a>(
        &'a self,
        _: Option<&'a RecordKey>,
        _: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        Box::pin(std::future::pending())
    }
    fn wait<'a>(&'a self, _: &'a RecordKey, _: Duration) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
    fn purge(&self, _: NonZeroUsize) -> StoreFuture<'_, usize> {
        Box::pin(std::future::pending())
    }
    fn capabilities(&self) -> Capabilities {
        MemoryStore::default().capabilities()
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_execution_costs_two_round_trips_and_a_replay_one() {
    let store = Metered::new(MemoryStore::default(), "memory");
    let meter = store.meter().clone();
    complete(&store, "k", &secret_answer(), DAY).await;
    assert_eq!(meter.round_trips(), 2);
    answer(&store, "k").await.unwrap();
    assert_eq!(meter.round_trips(), 3);
    assert_eq!(meter.calls(Operation::Begin), 2);
    assert_eq!(meter.calls(Operation::Complete), 1);
}

#[tokio::test(start_paused = true)]
async fn every_operation_is_counted_under_its_own_name() {
    let store = Metered::new(MemoryStore::default(), "memory");
    let claim = claim(&store, "k").await;
    assert_eq!(store.renew(&claim, LEASE).await.unwrap(), Settled::Applied);
    assert_eq!(store.release(&claim).await.unwrap(), Settled::Applied);
    let adopted = store.adopt(&key("k"), &Resolution::NotExecuted).await;
    assert_eq!(adopted.unwrap(), Settled::AlreadyApplied);
    store.unknowns(None, NonZeroUsize::MIN).await.unwrap();
    store.wait(&key("k"), LEASE).await.unwrap();
    store.purge(NonZeroUsize::MIN).await.unwrap();
    complete(&store, "other", &secret_answer(), DAY).await;
    let meter = store.meter();
    for (operation, calls) in [
        (Operation::Adopt, 1),
        (Operation::Begin, 2),
        (Operation::Complete, 1),
        (Operation::Purge, 1),
        (Operation::Release, 1),
        (Operation::Renew, 1),
        (Operation::Unknowns, 1),
        (Operation::Wait, 1),
    ] {
        assert_eq!(meter.calls(operation), calls, "{}", operation.name());
        assert_eq!(meter.failures(operation), 0, "{}", operation.name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_counts_as_failed_and_one_never_polled_as_none() {
    let store = Metered::new(Silent, "silent");
    drop(store.begin(request("k")));
    assert_eq!(store.meter().calls(Operation::Begin), 0);
    let cut = tokio::time::timeout(LEASE, store.begin(request("k"))).await;
    assert!(cut.is_err());
    assert_eq!(store.meter().calls(Operation::Begin), 1);
    assert_eq!(store.meter().failures(Operation::Begin), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_is_given_up_at_the_limit_and_the_error_says_what_may_be_concluded() {
    let limit = Duration::from_secs(2);
    let store = TimeLimited::new(Metered::new(Silent, "silent"), limit);
    let claim = Claim::new(key("k"), request("k").token, 1);
    let answer = secret_answer();
    let resolution = Resolution::NotExecuted;
    let key = key("k");
    let indeterminate = StoreErrorKind::Indeterminate;
    let unavailable = StoreErrorKind::Unavailable;

    is_cut(indeterminate, limit, store.begin(request("k"))).await;
    is_cut(indeterminate, limit, store.complete(&claim, &answer, DAY)).await;
    is_cut(indeterminate, limit, store.renew(&claim, LEASE)).await;
    is_cut(indeterminate, limit, store.release(&claim)).await;
    is_cut(indeterminate, limit, store.adopt(&key, &resolution)).await;
    is_cut(indeterminate, limit, store.purge(NonZeroUsize::MIN)).await;
    is_cut(unavailable, limit, store.unknowns(None, NonZeroUsize::MIN)).await;
    is_cut(unavailable, limit + LEASE, store.wait(&key, LEASE)).await;
}

async fn is_cut<T: std::fmt::Debug>(
    kind: StoreErrorKind,
    limit: Duration,
    call: StoreFuture<'_, T>,
) {
    let begun = Instant::now();
    let error: StoreError = call.await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.source().unwrap().is::<Elapsed>());
    let took = begun.elapsed();
    let exact = limit..=limit + Duration::from_millis(1);
    assert!(exact.contains(&took), "{took:?} and not {limit:?}");
}
