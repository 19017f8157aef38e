//! Renewing a claim and settling it, however often the store fails.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use buttress_deadline::Deadline;
use buttress_store::{Settled, StoreError, StoreErrorKind, StoredResponse};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Execution;
use super::settings::{Settings, Terms};
use crate::telemetry;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Renews the lease, which ends then, for ever, or until it is lost.
///
/// At the end of a lease that could not be renewed its execution is told, and it is tried on: the
/// claim may still be its own.
pub(crate) async fn renew(
    settings: &Settings,
    execution: &Execution,
    mut lease_end: Instant,
) -> Infallible {
    let Terms {
        lease,
        renew_every: every,
        store_timeout,
        ..
    } = settings.terms;
    let mut next = after(Instant::now(), every);
    loop {
        let mut limit = store_timeout;
        if !execution.is_lease_lost() {
            next = next.min(lease_end);
            limit = limit.min(lease_end.saturating_duration_since(next));
        }
        sleep_until(next).await;
        let asked = Instant::now();
        let renewal = settings.store.renew(execution.claim(), lease);
        next = match timeout(limit, renewal).await {
            Ok(Ok(Settled::Applied | Settled::AlreadyApplied)) => {
                lease_end = after(asked, lease);
                after(asked, every)
            }
            Ok(Ok(Settled::Lost)) => {
                tell(execution);
                std::future::pending().await
            }
            // Often enough to catch the rest of the lease.
            Ok(Err(_)) | Err(_) => after(Instant::now(), every / 4),
        };
        if lease_end <= Instant::now() {
            tell(execution);
        }
    }
}

/// That much later, and for what never ends far enough.
pub(crate) fn after(instant: Instant, duration: Duration) -> Instant {
    Deadline::after(instant, duration).instant()
}

fn tell(execution: &Execution) {
    if !execution.is_lease_lost() {
        telemetry::lease_lost(execution.key());
        execution.lose_lease();
    }
}

/// Keeps the answer. `None`: it could not be, however often it was tried.
///
/// Goes on past the end of the lease, for the token makes that safe.
pub(crate) async fn complete(
    settings: &Settings,
    execution: &Execution,
    answer: &StoredResponse,
) -> Option<Settled> {
    let retention = settings.terms.retention;
    insist(settings, || {
        settings
            .store
            .complete(execution.claim(), answer, retention)
    })
    .await
}

/// Frees the key.
pub(crate) async fn release(settings: &Settings, execution: &Execution) -> Option<Settled> {
    insist(settings, || settings.store.release(execution.claim())).await
}

/// Tries again until it is done, makes no sense, or has taken as long as an execution may.
async fn insist<F, Fut>(settings: &Settings, attempt: F) -> Option<Settled>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<Settled, StoreError>>,
{
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match timeout(settings.terms.store_timeout, attempt()).await {
            Ok(Ok(settled)) => return Some(settled),
            Ok(Err(error)) if is_final(&error) => return None,
            Ok(Err(_)) | Err(_) => {}
        }
        if start.elapsed() + pause > settings.terms.max_hold {
            return None;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Another try would find the same.
pub(crate) fn is_final(error: &StoreError) -> bool {
    matches!(
        error.kind(),
        StoreErrorKind::Corrupt | StoreErrorKind::Unsupported
    )
}
