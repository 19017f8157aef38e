//! All buyers: they place orders over HTTP, so many at a time, and come back until all is settled.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::browser::{Browser, Page};
use super::buyer::Buyer;
use super::habit::Habit;
use super::seen::{Diary, Seen};

/// What a buyer orders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// Its name.
    pub id: String,
    /// In cents.
    pub amount: u64,
}

/// What a buyer was told in the end.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// For this order.
    pub order: Order,
    /// The payment, if the shop said that it was paid.
    pub payment_id: Option<String>,
    /// From placing it to being told.
    pub latency: Duration,
}

/// Where the shop is: asked before each call, for it may have moved.
#[derive(Clone)]
pub struct Address(Arc<dyn Fn() -> String + Send + Sync>);

/// How the buyers buy.
#[derive(Clone, Debug)]
pub struct Buyers {
    /// Where.
    pub shop: Address,
    /// So many orders are being placed at a time.
    pub concurrency: u32,
    /// Nobody waits longer than this for an order.
    pub patience: Duration,
    /// What habits are drawn from.
    pub seed: u64,
    /// Each order takes one of these permits for good, if there are any.
    pub admission: Option<Arc<Semaphore>>,
}

impl Order {
    /// The order of this number; no two neighbours cost the same.
    #[must_use]
    pub fn number(number: u32) -> Self {
        Self {
            id: format!("order-{number:04}"),
            amount: 1_000 + u64::from(number) * 7 % 9_000,
        }
    }
}

impl Address {
    /// A shop that may move.
    pub fn new(ask: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    pub(super) fn ask(&self) -> String {
        (self.0)()
    }
}

impl Buyers {
    /// Buyers at a shop that stays where it is.
    #[must_use]
    pub fn at(shop: &str, concurrency: u32, patience: Duration, seed: u64) -> Self {
        let shop = shop.to_owned();
        Self {
            shop: Address::new(move || shop.clone()),
            concurrency,
            patience,
            seed,
            admission: None,
        }
    }

    /// Places all orders, and returns what each buyer was told, in no particular order, and what all
    /// of them saw. `settled` sees each receipt.
    pub async fn place_all(
        &self,
        orders: Vec<Order>,
        settled: impl Fn(&Receipt),
    ) -> (Vec<Receipt>, Seen) {
        let concurrency = usize::try_from(self.concurrency).unwrap_or(usize::MAX);
        let counters = Arc::new(Semaphore::new(concurrency));
        let (browser, diary) = (Browser::new(), Diary::default());
        let mut shopping = JoinSet::new();
        for order in orders {
            let buyer = Buyer {
                shop: self.shop.clone(),
                browser: browser.clone(),
                diary: diary.clone(),
                habit: Habit::of(&order.id, self.seed),
                key: format!("{}-{:016x}", order.id, self.seed),
                order,
            };
            let (admission, patience) = (self.admission.clone(), self.patience);
            let counters = Arc::clone(&counters);
            shopping.spawn(async move {
                if let Some(admission) = admission
                    && let Ok(admitted) = admission.acquire().await
                {
                    admitted.forget();
                }
                let counter = counters.acquire_owned().await.ok();
                buy(buyer, counter, patience).await
            });
        }
        let (mut receipts, mut answers) = (Vec::new(), Vec::new());
        while let Some(bought) = shopping.join_next().await {
            if let Ok((receipt, answer)) = bought {
                settled(&receipt);
                receipts.push(receipt);
                answers.extend(answer);
            }
        }
        // Whatever was answered under a key is there as long as keys are remembered.
        for (buyer, first) in answers {
            let _ = timeout(self.patience, buyer.recall(&first)).await;
        }
        (receipts, diary.read())
    }
}

/// Buys; also the first answer, and whose it was, if it was given under a key.
async fn buy(
    buyer: Buyer,
    counter: Option<OwnedSemaphorePermit>,
    patience: Duration,
) -> (Receipt, Option<(Buyer, Page)>) {
    let placed = Instant::now();
    let mut receipt = Receipt {
        order: buyer.order.clone(),
        payment_id: None,
        latency: Duration::ZERO,
    };
    let mut answered = None;
    let bought = timeout(patience, async {
        let first = buyer.place().await;
        // Held until the shop has answered, not until the order is settled.
        drop(counter);
        answered = Some(first.clone());
        receipt.payment_id = buyer.settle(first.clone()).await;
        receipt.latency = placed.elapsed();
        buyer.look_back(&first, receipt.payment_id.as_deref()).await;
    });
    if bought.await.is_err() && receipt.latency.is_zero() {
        receipt.latency = placed.elapsed();
    }
    let answer = answered.filter(|_| buyer.habit.has_key());
    (receipt, answer.map(|first| (buyer, first)))
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.ask()).finish()
    }
}
