//! The shop: it takes orders over HTTP, and charges each of them exactly once.
//!
//! ```text
//! routes       POST /orders, GET /orders/{id}, GET /status
//!   input        what buyers send, read strictly
//!   status       what the shop counts
//! life         an order's life, from its row to its payment
//!   orders, row  what is known of each, written before anything is sent
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
mod drain;
mod input;
mod life;
pub mod orders;
pub mod reconcile;
mod routes;
pub mod row;
pub mod stack;
mod status;
mod telemetry;
mod till;
mod turnstile;

use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::Backoff;
use buttress_classify::BoxError;
use buttress_key::{DerivationSecret, Profile};
use tokio::time::Instant;

use self::answer::{Answer, Charged, Found};
use self::breaker::Breaker;
use self::orders::Orders;
use self::reconcile::{Lags, Step};
use self::row::Doubt;
use self::stack::{Gates, Limits};
use self::status::Tally;
pub use self::{
    drain::Drain,
    input::NewOrder,
    routes::router,
    status::Status,
    till::Till,
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
    /// Stripe's API v1, as slow as `lags` say; unknown orders are looked into by `schedule`.
    #[must_use]
    pub fn new(lags: Lags, schedule: Backoff) -> Self {
        Self {
            profile: Profile::stripe_v1(),
            lags,
            schedule,
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
#[derive(Clone, Debug)]
pub struct Shop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    till: Till,
    orders: Orders,
    tally: Tally,
    gates: Gates,
    drain: Drain,
    keys: DerivationSecret,
    settings: Settings,
}

impl Shop {
    /// A shop in front of the provider at `url`, with the stack that it should have.
    ///
    /// # Errors
    /// When `url` is none, `api_key` cannot stand in a header, the circuit's settings do not go
    /// together, or TLS cannot be set up.
    pub fn open(
        settings: Settings,
        limits: &Limits,
        circuit: breaker::Settings,
        url: &str,
        api_key: &str,
        keys: DerivationSecret,
    ) -> Result<Self, BoxError> {
        let drain = Drain::default();
        let gates = Gates {
            breaker: Breaker::new(circuit, &settings.profile)?,
            turnstile: Turnstile::new(settings.profile.clone(), drain.clone()),
        };
        let stack = stack::payments(&settings.profile, &keys, limits, &gates)?;
        let till = Till::new(stack, url, api_key)?;
        Ok(Self::new(settings, till, gates, drain, keys))
    }

    /// A shop without orders. Keys are derived with `keys`: the same order has the same key in every
    /// shop with the same secret, even after all rows are lost.
    #[must_use]
    pub fn new(
        settings: Settings,
        till: Till,
        gates: Gates,
        drain: Drain,
        keys: DerivationSecret,
    ) -> Self {
        Self(Arc::new(Inner {
            till,
            orders: Orders::default(),
            tally: Tally::default(),
            gates,
            drain,
            keys,
            settings,
        }))
    }

    /// Its switch.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.0.drain
    }

    /// The rows.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.0.orders
    }
}
