use std::pin::pin;
use std::time::Duration;

use buttress_store::{RecordKey, StoreError};
use tokio::time::timeout;

use crate::reply::Look;
use crate::store::Shared;

/// Where nobody listens: between looks, doubled each time.
const FIRST: Duration = Duration::from_millis(10);
const LAST: Duration = Duration::from_millis(320);

/// Where somebody does: a message that got lost must not be waited for.
const TOLD: Duration = Duration::from_secs(1);

impl Shared {
    /// Returns when the key may no longer be in progress, or at `limit`.
    pub(crate) async fn wait(&self, key: &RecordKey, limit: Duration) -> Result<(), StoreError> {
        match timeout(limit, self.settled(key)).await {
            Ok(settled) => settled,
            Err(_) => Ok(()),
        }
    }

    async fn settled(&self, key: &RecordKey) -> Result<(), StoreError> {
        let waiter = self.waiters.enter(key);
        let mut pause = FIRST;
        loop {
            let mut settled = pin!(waiter.settled.notified());
            // Registered before it looks: no settlement can slip in between.
            settled.as_mut().enable();
            let told = self.waiters.are_told();
            let Look::Busy(left) = self.look(key, told).await? else {
                return Ok(());
            };
            let nap = if told { TOLD } else { pause };
            pause = LAST.min(pause * 2);
            let nap = nap.mul_f64(0.5 + fastrand::f64());
            match timeout(nap.min(left), settled).await {
                // Told so, or the listener came or went: the caller asks again either way.
                Ok(()) => return Ok(()),
                // Somebody may take over.
                Err(_) if left <= nap => return Ok(()),
                Err(_) => {}
            }
        }
    }
}
