//! The shop: it takes orders over HTTP, and charges each of them exactly once.
//!
//! ```text
//! routes       POST /orders, GET /orders/{id}, GET /status
//!   door         the layer in front of POST /orders: one execution for each Idempotency-Key
//!   input        what buyers send, read strictly
//!   reply        what they are answered
//!   slips        a local effect of the handler that nothing makes idempotent
//!   status       what the shop counts
//!   webhooks     POST /webhooks/{source}: what senders tell the shop
//! life         an order's life, from its row to its payment
//!   row          what is known of it, written before anything is sent
//!   held         the right to drive it, which one process has at a time
//!   orders       all rows, as this process sees them
//!   store        where they are kept: the trait, and its backends
//!   till         the two calls to the provider
//!   answer       what their answers mean
//!   reconcile    what to do when nobody knows
//!   telemetry    what is logged of it
//! stack        the layers between the shop and the provider
//!   breaker      its circuit breaker, and what that remembers for reports
//!   turnstile    a layer of the shop's own: counts attempts
//!   drain        how the shop stops
//! ```

pub mod answer;
pub mod breaker;
mod door;
mod drain;
mod held;
mod input;
mod life;
pub mod orders;
pub mod reconcile;
mod reply;
mod routes;
pub mod row;
mod slips;
pub mod stack;
mod status;
pub mod store;
mod telemetry;
mod till;
mod turnstile;
pub mod webhooks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::Backoff;
use buttress_classify::BoxError;
use buttress_idempotency::BuildError;
use buttress_key::{DerivationSecret, Profile};
use buttress_store::{IdempotencyStore, OrphanPolicy};
use tokio::time::Instant;

use self::answer::{Answer, Charged, Found};
use self::breaker::Breaker;
use self::door::Door;
use self::orders::Orders;
use self::reconcile::{Lags, Step};
use self::row::Doubt;
use self::stack::{Gates, Limits};
use self::status::Tally;
use self::store::Store;
use self::webhooks::{Letterbox, Senders};
pub use self::{
    drain::Drain,
    input::NewOrder,
    routes::router,
    slips::Slips,
    status::Status,
    till::{Account, Till},
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
    /// How long an order, or a request's key, is nobody's after its process died, where the store
    /// cannot know that it died.
    pub lease: Duration,
    /// What becomes of a request with a key whose execution was lost.
    pub orphans: OrphanPolicy,
    /// Where packing slips are printed, if they are.
    pub slips: Option<Slips>,
    /// Who may send webhooks.
    pub senders: Senders,
    /// The two decisions of the shop.
    pub rules: Rules,
}

impl Settings {
    /// Stripe's API v1, as slow as `lags` say; unknown orders are looked into by `schedule`.
    #[must_use]
    pub fn new(lags: Lags, schedule: Backoff) -> Self {
        Self {
            profile: Profile::stripe_v1(),
            lags,
            schedule,
            patience: Duration::from_secs(15),
            lease: Duration::from_secs(30),
            // The order's row makes the handler safe to repeat.
            orphans: OrphanPolicy::ReExecute,
            slips: None,
            senders: Senders::default(),
            rules: Rules::default(),
        }
    }
}

/// What an answer means, and what follows a search: functions, so that tests can decide wrongly.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What an answer of the provider means for its order.
    pub read: fn(&Answer, &Profile, &NewOrder) -> Charged,
    /// What follows a search.
    pub next: fn(&Doubt, &Found, Instant, &Lags) -> Step,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            read: answer::read,
            next: reconcile::next,
        }
    }
}

/// The shop; clones share everything.
#[derive(Clone)]
pub struct Shop(Arc<Inner>);

struct Inner {
    till: Till,
    orders: Orders,
    records: Arc<dyn IdempotencyStore>,
    door: Door,
    letterbox: Letterbox,
    tally: Tally,
    gates: Gates,
    drain: Drain,
    keys: DerivationSecret,
    settings: Settings,
}

impl Shop {
    /// A shop in front of its provider, with the stack that it should have.
    ///
    /// # Errors
    /// When the account's URL is none, its key cannot stand in a header, the circuit's settings do
    /// not go together, or TLS cannot be set up.
    pub fn open(
        settings: Settings,
        limits: &Limits,
        circuit: breaker::Settings,
        account: &Account,
        store: Store,
        keys: DerivationSecret,
    ) -> Result<Self, BoxError> {
        let drain = Drain::default();
        let gates = Gates {
            breaker: Breaker::new(circuit, &settings.profile)?,
            turnstile: Turnstile::new(settings.profile.clone(), drain.clone()),
        };
        let stack = stack::payments(&settings.profile, &keys, limits, &gates)?;
        let till = Till::new(stack, account)?;
        Ok(Self::new(settings, till, gates, drain, store, keys)?)
    }

    /// A shop with the orders of this store. Keys are derived with `keys`: the same order has the same
    /// key in every shop with the same secret, even after all rows are lost.
    ///
    /// # Errors
    /// When the settings do not go together.
    pub fn new(
        settings: Settings,
        till: Till,
        gates: Gates,
        drain: Drain,
        store: Store,
        keys: DerivationSecret,
    ) -> Result<Self, BuildError> {
        let orders = Orders::new(store.rows, settings.lease);
        let door = door::door(&settings, &store.records, &orders, keys.clone())?;
        let letterbox = webhooks::letterbox(&settings, &store.records, keys.clone())?;
        Ok(Self(Arc::new(Inner {
            till,
            orders,
            records: store.records,
            door,
            letterbox,
            tally: Tally::default(),
            gates,
            drain,
            keys,
            settings,
        })))
    }

    /// Its switch.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// Waits until nothing that has begun is still running, and every answer is recorded. What
    /// has not ended after `limit` is left: its key is given up with its lease.
    pub async fn drained(&self, limit: Duration) {
        let (orders, events) = (&self.0.door, &self.0.letterbox);
        tokio::join!(
            orders.executions().drain(limit),
            events.executions().drain(limit)
        );
        self.0.drain.drained().await;
    }

    /// Idempotency records, of requests of every kind.
    #[must_use]
    pub fn records(&self) -> &Arc<dyn IdempotencyStore> {
        &self.0.records
    }

    /// The order rows.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.0.orders
    }
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
