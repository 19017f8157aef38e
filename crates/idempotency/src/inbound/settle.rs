//! Renewing a claim and settling it, however often the store fails.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use buttress_store::{Settled, StoreError, StoreErrorKind, StoredResponse};
use tokio::time::{Instant, sleep, timeout};

use super::Execution;
use super::settings::Settings;
use crate::telemetry;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Renews the lease for ever, or until it is lost.
pub(crate) async fn renew(settings: &Settings, execution: &Execution) -> Infallible {
    let every = settings.terms.renew_every;
    let mut pause = every;
    loop {
        sleep(pause).await;
        let renewal = settings
            .store
            .renew(execution.claim(), settings.terms.lease);
        pause = match timeout(settings.terms.store_timeout, renewal).await {
            Ok(Ok(Settled::Applied | Settled::AlreadyApplied)) => every,
            Ok(Ok(Settled::Lost)) => {
                telemetry::lease_lost(execution.key());
                execution.lose_lease();
                std::future::pending().await
            }
            // Often enough to catch the rest of the lease.
            Ok(Err(_)) | Err(_) => every / 4,
        };
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
