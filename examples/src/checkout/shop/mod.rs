//! The shop: it takes orders over HTTP, and charges each of them exactly once.
//!
//! ```text
//! routes       POST /orders, GET /orders/{id}, GET /status
//!   input        what buyers send, read strictly
//!   orders       the rows, written before anything is sent
//! mod          an order's life, from its row to its payment
//!   charge       the two calls to the provider, and what their answers mean
//!   reconcile    what to do when nobody knows
//! stack        the layers between the shop and the provider
//!   turnstile    a layer of the shop's own: counts attempts
//!   drain        how the shop stops
//! ```

pub mod charge;
mod drain;
mod input;
pub mod orders;
pub mod reconcile;
mod routes;
pub mod stack;
mod status;
mod turnstile;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use buttress_backoff::{Backoff, Jitter, thread_random};
use buttress_idempotency::OutboundKey;
use buttress_key::{DerivationSecret, IdempotencyKey, Profile};

use self::charge::{Answer, Charged, Found, Till};
use self::orders::{Doubt, Orders, Row, State};
use self::reconcile::{Lags, Step};
use self::status::Tally;
pub use self::{
    drain::Drain,
    input::NewOrder,
    routes::router,
    status::Status,
    turnstile::{Counted, CountedFuture, Draining, Turnstile},
};

/// How a shop behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the provider promises about its keys; the stack must have been given the same.
    pub profile: Profile,
    /// What else is assumed of the provider.
    pub lags: Lags,
    /// When an order that nobody knows about is looked into again.
    pub schedule: Backoff,
    /// How long a buyer is kept waiting for an answer before being told to come back.
    pub patience: Duration,
    /// The two decisions of the shop.
    pub rules: Rules,
}

impl Settings {
    /// Stripe's API v1, as far away as `lags` say, looked into again by `schedule`.
    #[must_use]
    pub fn new(lags: Lags, schedule: Backoff) -> Self {
        Self {
            profile: Profile::stripe_v1(),
            lags,
            schedule: schedule.jitter(Jitter::Equal),
            patience: Duration::from_secs(15),
            rules: Rules::default(),
        }
    }
}

/// What an answer means, and what follows a search: functions, so that tests can decide wrongly.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What an answer of the provider means for its order.
    pub read: fn(&Answer, &Profile) -> Charged,
    /// What follows a search.
    pub next: fn(&Doubt, &Found, SystemTime, &Lags) -> Step,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            read: charge::read,
            next: reconcile::next,
        }
    }
}

/// The shop; clones share everything.
#[derive(Clone, Debug)]
pub struct Shop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    till: Till,
    orders: Orders,
    tally: Tally,
    turnstile: Turnstile,
    drain: Drain,
    keys: DerivationSecret,
    settings: Settings,
}

impl Shop {
    /// A shop without orders. Keys are derived with `keys`: the same order has the same key in every
    /// shop with the same secret, even after all rows are lost.
    #[must_use]
    pub fn new(
        settings: Settings,
        till: Till,
        turnstile: Turnstile,
        drain: Drain,
        keys: DerivationSecret,
    ) -> Self {
        Self(Arc::new(Inner {
            till,
            orders: Orders::default(),
            tally: Tally::default(),
            turnstile,
            drain,
            keys,
            settings,
        }))
    }

    /// The rows.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.0.orders
    }

    /// The order's key of this generation, about to be used for the first time.
    fn key(&self, order: &NewOrder, generation: u32, now: SystemTime) -> OutboundKey {
        let Inner { till, keys, .. } = &*self.0;
        let key = IdempotencyKey::derive(keys, "checkout", "charge", &order.id, generation);
        OutboundKey::new(key, now)
            .with_generation(generation)
            .with_fingerprint(till.fingerprint(order, keys))
    }

    /// An order's life, from its row to its payment, or until the shop drains.
    async fn live(self, id: String) {
        let _running = self.0.drain.begin();
        let Inner {
            orders,
            drain,
            settings,
            ..
        } = &*self.0;
        let (mut round, mut wait) = (0, Duration::ZERO);
        let Some(mut row) = self.charge(&id).await else {
            return;
        };
        while !row.is_final() {
            round += 1;
            wait = settings.schedule.delay(round, wait, &thread_random);
            if !drain.sleep(wait).await {
                return;
            }
            self.look_into(&row).await;
            match orders.get(&id) {
                Some(next) => row = next,
                None => return,
            }
        }
    }

    /// Sends the charge under the row's key, and records what became of it.
    async fn charge(&self, id: &str) -> Option<Row> {
        let Inner {
            till,
            orders,
            settings,
            ..
        } = &*self.0;
        let row = orders.update(id, |row| row.state = State::Charging)?;
        let (answer, attempts) = till.charge(&row).await;
        let charged = (settings.rules.read)(&answer, &settings.profile);
        let now = SystemTime::now();
        orders.update(id, |row| {
            row.attempts += attempts;
            row.learn(charged, now, &settings.lags);
            self.0.tally.settled(row, status::By::Charge);
        })
    }

    /// Searches for the charge, and does what follows.
    async fn look_into(&self, row: &Row) {
        let Inner {
            till,
            orders,
            settings,
            tally,
            ..
        } = &*self.0;
        let id = &row.order.id;
        let step = if row.doubt.sent {
            let begun = SystemTime::now();
            let found = till.search(row).await;
            (settings.rules.next)(&row.doubt, &found, begun, &settings.lags)
        } else {
            // Nothing was ever executed under this key, so there is nothing to find.
            row.doubt.spent.map_or(Step::Again, |_| Step::Anew)
        };
        match step {
            Step::Wait => {}
            Step::Paid(payments) => {
                orders.update(id, |row| {
                    for payment in payments {
                        row.paid(payment);
                    }
                    tally.settled(row, status::By::Search);
                });
            }
            Step::Again => {
                tally.driven_again();
                self.charge(id).await;
            }
            Step::Anew => {
                tally.begun_anew();
                let now = SystemTime::now();
                let generation = row.key.generation() + 1;
                let key = self.key(&row.order, generation, now);
                orders.update(id, |row| row.renew(key, now));
                self.charge(id).await;
            }
        }
    }
}
