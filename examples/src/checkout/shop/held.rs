//! The right to drive one order: to send its charge, and to give it another key.
//!
//! It is a lease in the store, so that no two processes of the shop drive an order at a time. Every
//! change compares the revision of the row: whoever lost the order cannot write what he still wanted
//! to, and sends nothing more.

use std::error::Error;
use std::fmt;
use std::future::Future;

use buttress_store::StoreError;
use tokio::time::{Instant, sleep};

use super::orders::Orders;
use super::row::{Doubt, Row};
use super::store::{Hold, Stored};

/// A lease is renewed so often while it lives.
const RENEWALS: u32 = 3;

/// An order that this process drives, and its row.
#[derive(Debug)]
pub(super) struct Held {
    orders: Orders,
    stored: Stored,
    hold: Hold,
}

/// Why an order can be driven no further.
#[derive(Debug)]
pub(super) enum Adrift {
    /// Somebody else drives it.
    Lost,
    /// Nobody knows how it stands: the store does not answer.
    Store(StoreError),
}

impl Held {
    /// An order whose first row has been written.
    pub(super) fn first(orders: &Orders, row: Row, hold: Hold) -> Self {
        let stored = Stored {
            row,
            revision: 1,
            holder: Some(hold.holder),
        };
        Self::new(orders, stored, hold)
    }

    pub(super) fn new(orders: &Orders, stored: Stored, hold: Hold) -> Self {
        orders.watch(&stored.row);
        Self {
            orders: orders.clone(),
            stored,
            hold,
        }
    }

    pub(super) const fn row(&self) -> &Row {
        &self.stored.row
    }

    /// Changes the row, and returns it as it then stands. `change` sees it again if somebody else,
    /// who had news of it, changed it meanwhile.
    pub(super) async fn update(&mut self, change: impl Fn(&mut Row)) -> Result<&Row, Adrift> {
        loop {
            let mut row = self.stored.row.clone();
            change(&mut row);
            if self.orders.rows().swap(&row, self.stored.revision).await? {
                self.stored.revision += 1;
                self.stored.row = row;
                self.orders.publish(&self.stored.row);
                return Ok(&self.stored.row);
            }
            self.reload().await?;
        }
    }

    /// Reads the row again: somebody may have had news of it.
    pub(super) async fn reload(&mut self) -> Result<(), Adrift> {
        let Doubt { quiet, .. } = self.stored.row.doubt;
        let stored = self.orders.rows().get(&self.stored.row.order.id).await?;
        let is_mine = |stored: &Stored| stored.holder == Some(self.hold.holder);
        self.stored = stored.filter(is_mine).ok_or(Adrift::Lost)?;
        // A time of this process, which the store does not know.
        self.stored.row.doubt.quiet = quiet;
        Ok(())
    }

    /// Waits for `work`, keeping the order meanwhile; leaves the work as soon as the order is lost.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, Adrift> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            adrift = self.renew() => Err(adrift),
        }
    }

    /// Renews the lease until the order is lost, or may be.
    async fn renew(&self) -> Adrift {
        let id = &self.stored.row.order.id;
        let mut end = Instant::now() + self.hold.lease;
        loop {
            sleep(self.hold.lease / RENEWALS).await;
            let begun = Instant::now();
            match self.orders.rows().renew(id, self.hold).await {
                Ok(true) => end = begun + self.hold.lease,
                Ok(false) => return Adrift::Lost,
                Err(error) if Instant::now() >= end => return error.into(),
                Err(_) => {}
            }
        }
    }

    /// Lets somebody else drive it, at once.
    pub(super) async fn release(self) -> Result<(), StoreError> {
        let id = &self.stored.row.order.id;
        self.orders.rows().release(id, self.hold.holder).await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.orders.unwatch(&self.stored.row.order.id);
    }
}

impl From<StoreError> for Adrift {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Adrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("somebody else drives the order"),
            Self::Store(_) => f.write_str("the order's row is out of reach"),
        }
    }
}

impl Error for Adrift {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lost => None,
            Self::Store(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use buttress_idempotency::OutboundKey;
    use buttress_key::IdempotencyKey;
    use tokio::time::advance;

    use super::*;
    use crate::checkout::shop::input::NewOrder;
    use crate::checkout::shop::row::State;
    use crate::checkout::shop::store::{MemoryRows, RowStore};

    const LEASE: Duration = Duration::from_secs(30);

    /// Two processes of a shop, one of which has just been given an order.
    async fn two_shops() -> (Held, Orders) {
        let rows: Arc<dyn RowStore> = Arc::new(MemoryRows::default());
        let first = Orders::new(Arc::clone(&rows), LEASE);
        let order = NewOrder {
            id: "o-1".into(),
            amount: 5,
            currency: "usd".into(),
        };
        let key = IdempotencyKey::parse("key").unwrap();
        let key = OutboundKey::new(key, SystemTime::now());
        let row = Row::new(order, key, Instant::now());
        let held = first.insert(&row).await.unwrap().unwrap();
        assert!(first.insert(&row).await.unwrap().is_none());
        (held, Orders::new(rows, LEASE))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_lost_an_order_writes_nothing_more_and_stops() {
        let (mut held, second) = two_shops().await;
        assert!(second.take("o-1").await.unwrap().is_none());
        advance(LEASE).await;
        let mut taken = second.take("o-1").await.unwrap().unwrap();

        let late = held.update(Row::begin).await;
        assert!(matches!(late, Err(Adrift::Lost)), "{late:?}");
        let stopped = held.during(std::future::pending::<()>()).await;
        assert!(matches!(stopped, Err(Adrift::Lost)), "{stopped:?}");
        held.release().await.unwrap();

        assert_eq!(
            second.get("o-1").await.unwrap().unwrap().state,
            State::Created
        );
        let row = taken.update(Row::begin).await.unwrap();
        assert_eq!(row.state, State::Charging);
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_is_kept_for_as_long_as_its_driver_works() {
        let (mut held, second) = two_shops().await;
        held.during(sleep(10 * LEASE)).await.unwrap();
        assert!(second.take("o-1").await.unwrap().is_none());
        held.update(Row::begin).await.unwrap();
        held.release().await.unwrap();
        assert!(second.take("o-1").await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn news_that_comes_to_another_process_is_not_overwritten() {
        let (mut held, second) = two_shops().await;
        held.update(Row::begin).await.unwrap();
        let paid = second.amend("o-1", |row| row.paid("pi_1".into())).await;
        assert_eq!(paid.unwrap().unwrap().state, State::Paid);

        let row = held.update(|row| row.attempts += 1).await.unwrap();
        assert_eq!((&row.state, row.attempts), (&State::Paid, 1));
        assert_eq!(row.payments, ["pi_1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_order_is_told_wherever_it_is_driven() {
        let (mut held, second) = two_shops().await;
        let here = held.orders.clone();
        let (here, there, ()) = tokio::join!(here.tried("o-1"), second.tried("o-1"), async {
            sleep(Duration::from_secs(1)).await;
            held.update(|row| row.paid("pi_1".into())).await.unwrap();
        });
        assert_eq!(here.unwrap().unwrap().state, State::Paid);
        assert_eq!(there.unwrap().unwrap().state, State::Paid);
    }
}
