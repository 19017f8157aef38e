//! All that the provider knows, behind one lock.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::keys::Keys;
use super::ledger::{Charge, Ledger};
use super::plan::{Fault, Plan};
use super::server;
use super::webhooks::{News, Posted, Webhooks};

/// How a provider behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The key that callers must present: `Authorization: Bearer …`.
    pub api_key: String,
    /// What goes wrong.
    pub plan: Plan,
    /// How long a charge that hangs takes, and a slow body.
    pub hang: Duration,
    /// How far the search is behind. Default: 300 ms.
    pub indexing: Duration,
    /// How long a key is remembered. Default: 24 h.
    pub retention: Duration,
    /// Whether there is a search at all; without it the route is 404. Default: yes.
    pub search: bool,
    /// Who is told of charges. Default: nobody.
    pub webhooks: Option<Webhooks>,
}

impl Settings {
    /// A provider that follows `plan`.
    #[must_use]
    pub fn new(api_key: impl Into<String>, plan: Plan) -> Self {
        Self {
            api_key: api_key.into(),
            plan,
            hang: Duration::from_millis(2_500),
            indexing: Duration::from_millis(300),
            retention: Duration::from_hours(24),
            search: true,
            webhooks: None,
        }
    }
}

/// The provider; clones share everything.
#[derive(Clone, Debug)]
pub struct Provider {
    pub(super) settings: Arc<Settings>,
    state: Arc<Mutex<State>>,
    outages: watch::Sender<Duration>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) keys: Keys,
    pub(super) ledger: Ledger,
    attempts: HashMap<String, u32>,
    faults: BTreeMap<&'static str, u64>,
    pub(super) requests: u64,
    started: Instant,
    moved: Duration,
}

impl Provider {
    /// A provider without any history.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let state = State {
            keys: Keys::new(settings.retention),
            ledger: Ledger::default(),
            attempts: HashMap::new(),
            faults: BTreeMap::new(),
            requests: 0,
            started: Instant::now(),
            moved: Duration::ZERO,
        };
        Self {
            settings: Arc::new(settings),
            state: Arc::new(Mutex::new(state)),
            outages: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Serves connections for as long as it is polled.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        server::serve(self, listener).await
    }

    /// Moves the clock by which keys are forgotten.
    pub fn advance(&self, by: Duration) {
        self.state().moved += by;
    }

    /// Becomes unreachable for `length`, from now on: all connections are reset, and nobody listens.
    ///
    /// What has begun is finished behind that front, and nothing is forgotten.
    pub fn take_down(&self, length: Duration) {
        self.outages.send_replace(length);
    }

    /// Tells of each outage to come, and how long it will be.
    pub(super) fn outages(&self) -> watch::Receiver<Duration> {
        self.outages.subscribe()
    }

    /// What has happened so far.
    #[must_use]
    pub fn book(&self) -> Book {
        let state = self.state();
        let known = Fault::ALL.map(|fault| (fault.name(), 0));
        let mut faults = BTreeMap::from(known);
        faults.extend(&state.faults);
        Book {
            charges: state.ledger.charges().cloned().collect(),
            faults: faults
                .into_iter()
                .map(|(name, times)| (name.to_owned(), times))
                .collect(),
            requests: state.requests,
            webhooks: self.posted(),
        }
    }

    fn posted(&self) -> Posted {
        let webhooks = self.settings.webhooks.as_ref();
        webhooks.map(Webhooks::posted).unwrap_or_default()
    }

    /// Tells whoever is to be told.
    pub(super) fn announce(&self, news: &News) {
        if let Some(webhooks) = &self.settings.webhooks {
            webhooks.announce(&self.settings.plan, news);
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code here panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault of this order's next attempt, which this counts as begun.
    pub(super) fn next_fault(&self, order: &str) -> Option<Fault> {
        let mut state = self.state();
        let attempt = state.attempts.entry(order.to_owned()).or_default();
        *attempt += 1;
        self.settings.plan.fault(order, *attempt)
    }

    /// Whether this order's next attempt is planned to meet `fault`; only then is it counted as begun.
    pub(super) fn begins_with(&self, fault: Fault, order: &str) -> bool {
        let mut state = self.state();
        let next = state.attempts.get(order).copied().unwrap_or_default() + 1;
        let planned = self.settings.plan.fault(order, next) == Some(fault);
        if planned {
            state.attempts.insert(order.to_owned(), next);
            state.requests += 1;
            state.saw(fault);
        }
        planned
    }
}

impl State {
    /// The time on the clock that can be moved.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed() + self.moved
    }

    /// Counts a fault that did happen.
    pub(super) fn saw(&mut self, fault: Fault) {
        *self.faults.entry(fault.name()).or_default() += 1;
    }
}

/// What a provider tells those who audit it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Book {
    /// Every charge, oldest first.
    pub charges: Vec<Charge>,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<String, u64>,
    /// Charge requests received.
    pub requests: u64,
    /// What was told to the shop, and how that went.
    pub webhooks: Posted,
}

impl Book {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "charges": self.charges.iter().map(Charge::to_json).collect::<Vec<_>>(),
            "faults": self.faults,
            "requests": self.requests,
            "webhooks": self.webhooks.to_json(),
        })
    }

    /// Reads what the audit endpoint wrote; `None` if it is something else.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let charge = |charge: &Value| {
            Some(Charge {
                payment_id: charge["id"].as_str()?.to_owned(),
                order_id: charge["metadata"]["order_id"].as_str()?.to_owned(),
                amount: charge["amount"].as_u64()?,
                currency: charge["currency"].as_str()?.to_owned(),
            })
        };
        let fault = |(name, times): (&String, &Value)| Some((name.clone(), times.as_u64()?));
        Some(Self {
            charges: value["charges"]
                .as_array()?
                .iter()
                .map(charge)
                .collect::<Option<_>>()?,
            faults: value["faults"]
                .as_object()?
                .iter()
                .map(fault)
                .collect::<Option<_>>()?,
            requests: value["requests"].as_u64()?,
            webhooks: Posted::from_json(&value["webhooks"]),
        })
    }
}
