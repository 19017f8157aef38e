//! All buyers: they place orders over HTTP, so many at a time, and come back until all is settled.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// All who buy.
#[derive(Debug)]
pub struct Buyers {
    shop: Address,
    concurrency: u32,
    patience: Duration,
    seed: u64,
    admission: Option<Arc<Semaphore>>,
    diary: Diary,
    /// Every first answer under a key, and whose it is.
    answers: Mutex<Vec<(Buyer, Page)>>,
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
    /// Buyers at this shop, of whom so many place orders at a time. Nobody waits for an order longer
    /// than `patience`; the seed gives each his habit.
    pub fn at(shop: impl Into<Address>, concurrency: u32, patience: Duration, seed: u64) -> Self {
        Self {
            shop: shop.into(),
            concurrency,
            patience,
            seed,
            admission: None,
            diary: Diary::default(),
            answers: Mutex::default(),
        }
    }

    /// Lets each order take one of these permits for good, before it is placed.
    #[must_use]
    pub fn admitted_by(mut self, permits: Arc<Semaphore>) -> Self {
        self.admission = Some(permits);
        self
    }

    /// Places all orders, and returns what each buyer was told, in no particular order. `settled` sees
    /// each receipt.
    pub async fn place_all(&self, orders: Vec<Order>, settled: impl Fn(&Receipt)) -> Vec<Receipt> {
        let concurrency = usize::try_from(self.concurrency).unwrap_or(usize::MAX);
        let counters = Arc::new(Semaphore::new(concurrency));
        let browser = Browser::new();
        let mut shopping = JoinSet::new();
        for order in orders {
            let buyer = Buyer {
                shop: self.shop.clone(),
                browser: browser.clone(),
                diary: self.diary.clone(),
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
        let mut receipts = Vec::new();
        while let Some(bought) = shopping.join_next().await {
            if let Ok((receipt, answer)) = bought {
                settled(&receipt);
                receipts.push(receipt);
                self.answers().extend(answer);
            }
        }
        receipts
    }

    /// Asks the shop once more for every answer that it gave under a key: it has to be there, as long
    /// as keys are remembered.
    pub async fn recall(&self) {
        let answers = std::mem::take(&mut *self.answers());
        for (buyer, first) in answers {
            if timeout(self.patience, buyer.recall(&first)).await.is_err() {
                self.diary.note(|seen| seen.forgotten += 1);
            }
        }
    }

    /// What all of them did, and were answered.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.diary.read()
    }

    fn answers(&self) -> MutexGuard<'_, Vec<(Buyer, Page)>> {
        // Nothing panics while it is held.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
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

impl From<&str> for Address {
    /// A shop that stays where it is.
    fn from(shop: &str) -> Self {
        let shop = shop.to_owned();
        Self::new(move || shop.clone())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.ask()).finish()
    }
}
