//! A peer that is down, and many callers: retries must not make it worse.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use buttress_body::ReplayBody;
use buttress_retry::{Budget, RetryLayer};
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep_until};
use tower::{Layer, ServiceExt, service_fn};

use crate::peer::{Body, get};

const MINUTE: u64 = 60;

/// A peer that is up or down, and how often it was called.
#[derive(Clone, Default)]
struct Peer {
    down: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Minute {
    operations: u64,
    attempts: u64,
}

impl Minute {
    /// What the peer has to bear, as a multiple of what was asked of it.
    #[allow(clippy::cast_precision_loss, reason = "counts of one minute")]
    fn load(&self) -> f64 {
        self.attempts as f64 / self.operations as f64
    }
}

impl Peer {
    async fn operation(self, layer: RetryLayer) -> StatusCode {
        let inner = service_fn(move |_: Request<ReplayBody<Body>>| {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let mut response = Response::new(Body::default());
            if self.down.load(Ordering::Relaxed) {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            std::future::ready(Ok::<_, Infallible>(response))
        });
        layer.layer(inner).oneshot(get()).await.unwrap().status()
    }

    /// `rate` operations a second for a minute, evenly, and the end of the last of them.
    async fn minute(&self, layer: &RetryLayer, rate: u64) -> Minute {
        let before = self.calls.load(Ordering::Relaxed);
        let start = Instant::now();
        let mut operations = Vec::new();
        for operation in 0..rate * MINUTE {
            sleep_until(start + Duration::from_nanos(1_000_000_000 / rate * operation)).await;
            let call = self.clone().operation(layer.clone());
            operations.push(tokio::spawn(call));
        }
        let count = operations.len() as u64;
        for operation in operations {
            operation.await.unwrap();
        }
        Minute {
            operations: count,
            attempts: self.calls.load(Ordering::Relaxed) - before,
        }
    }

    /// A minute of outage; then it is over, and a retry must find its means again.
    async fn outage(budget: Budget, rate: u64) -> Minute {
        let peer = Self::default();
        let layer = RetryLayer::new().budget(budget.clone());
        peer.down.store(true, Ordering::Relaxed);
        let outage = peer.minute(&layer, rate).await;
        println!(
            "down for a minute at {rate}/s: {} attempts for {} operations, {:.3} for each",
            outage.attempts,
            outage.operations,
            outage.load(),
        );

        peer.down.store(false, Ordering::Relaxed);
        let after = peer.minute(&layer, rate).await;
        assert_eq!(after.attempts, after.operations);
        let earned = rate * 9 / 5;
        assert!(
            budget.balance(Instant::now()) >= Some(10 + earned),
            "{budget:?}"
        );

        peer.down.store(true, Ordering::Relaxed);
        let last = tokio::spawn(peer.clone().operation(layer));
        tokio::task::yield_now().await;
        peer.down.store(false, Ordering::Relaxed);
        assert_eq!(last.await.unwrap(), StatusCode::OK, "retried");
        outage
    }
}

#[tokio::test(start_paused = true)]
async fn at_a_thousand_operations_a_second_an_outage_adds_almost_no_load() {
    let outage = Peer::outage(Budget::default(), 1000).await;
    assert!(
        outage.attempts * 100 <= outage.operations * 125,
        "{outage:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn at_ten_operations_a_second_the_reserve_bounds_the_retries() {
    let outage = Peer::outage(Budget::default(), 10).await;
    let retries = outage.attempts - outage.operations;
    assert!(retries <= 100 + 10 * MINUTE, "{outage:?}");
}

#[tokio::test(start_paused = true)]
async fn at_one_operation_a_second_there_are_never_more_retries_than_the_reserve_grants() {
    for (budget, reserve) in [(Budget::default(), 10), (Budget::payments(), 1)] {
        let outage = Peer::outage(budget, 1).await;
        let retries = outage.attempts - outage.operations;
        assert!(
            retries > 0 && retries <= reserve * (10 + MINUTE),
            "{outage:?}"
        );
    }
}
