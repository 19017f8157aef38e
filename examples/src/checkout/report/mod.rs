//! What an audit found: the buyers' receipts and the shop's status against the provider's ledger.

mod breaker;
mod crash;
mod pen;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

pub use self::breaker::{Outage, Reaction};
pub use self::crash::{Crash, Round};
use super::demo::{Order, Receipt, Seen};
use super::provider::{Book, Charge, Faults, Posted};
use super::shop::Status;

/// From this many orders on, a severe run must meet every kind of fault.
const COVERED: u64 = 200;
/// So many times at least.
const TIMES: u64 = 3;

/// The currency of every order of the demonstration.
const CURRENCY: &str = "usd";

/// What was run, and how long it took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Orders placed.
    pub orders: u32,
    /// Orders placed at a time.
    pub concurrency: u32,
    /// How badly the provider was to behave.
    pub faults: Faults,
    /// What its plan was drawn from.
    pub seed: u64,
    /// When the first order was placed.
    pub started: Instant,
    /// From then to the last receipt.
    pub wall: Duration,
    /// When the provider could not be reached, if it was told to be down.
    pub outage: Option<Outage>,
}

/// The whole story of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was run.
    pub run: Run,
    /// Orders placed.
    pub orders: u64,
    /// Orders whose buyers were told that they are paid.
    pub paid: u64,
    /// Charges in the provider's ledger.
    pub charges: u64,
    /// Charges beyond the one that an order was placed for: of the same order, or for nobody.
    pub duplicates: u64,
    /// Orders paid in the shop and not at the provider, or the other way round.
    pub lost: u64,
    /// What the buyers did, and were answered.
    pub seen: Seen,
    /// What the shop counted.
    pub status: Status,
    /// What went wrong at the provider, and how often.
    pub faults: BTreeMap<String, u64>,
    /// What the provider told the shop, and how that went.
    pub webhooks: Posted,
    /// What the shop's deaths came to, if it was killed.
    pub crash: Option<Crash>,
    /// How long buyers waited, in ascending order.
    latencies: Vec<Duration>,
}

impl Report {
    /// Audits a run.
    #[must_use]
    pub fn audit(
        run: &Run,
        receipts: &[Receipt],
        seen: Seen,
        status: &Status,
        book: &Book,
    ) -> Self {
        let is_for = |charge: &Charge, order: &Order| {
            charge.order_id == order.id
                && charge.amount == order.amount
                && charge.currency == CURRENCY
        };
        let mut latencies: Vec<_> = receipts.iter().map(|receipt| receipt.latency).collect();
        latencies.sort_unstable();

        let (mut orders_charged, mut lost) = (0, 0);
        for receipt in receipts {
            let is_charged = book
                .charges
                .iter()
                .any(|charge| is_for(charge, &receipt.order));
            orders_charged += u64::from(is_charged);
            lost += u64::from(is_charged != receipt.payment_id.is_some());
        }
        let charges = book.charges.len() as u64;
        Self {
            run: *run,
            orders: run.orders.into(),
            paid: receipts
                .iter()
                .filter(|receipt| receipt.payment_id.is_some())
                .count() as u64,
            charges,
            duplicates: charges - orders_charged,
            lost,
            seen,
            status: status.clone(),
            faults: book.faults.clone(),
            webhooks: book.webhooks,
            crash: None,
            latencies,
        }
    }

    /// Whether every order was paid exactly once, and every answer was the right one.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.paid == self.orders
            && self.charges == self.orders
            && self.duplicates == 0
            && self.lost == 0
            && self.seen.wrong == 0
            && self.seen.forgotten == 0
            && self.webhooks.deceived == 0
            && self.rounds().iter().all(Round::is_right)
    }

    fn rounds(&self) -> &[Round] {
        self.crash.as_ref().map_or(&[], |crash| &crash.rounds)
    }

    /// Whether a run that is long and severe enough met every kind of fault often enough.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.run.faults != Faults::Severe
            || self.orders < COVERED
            || self.faults.values().all(|&times| times >= TIMES)
    }

    /// 1 unless every order was paid exactly once; 2 if too few faults of some kind were met.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.is_exact(), self.is_covered()) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 0,
        }
    }

    /// The time that `percent` of the buyers waited at most.
    #[must_use]
    pub fn latency(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied().unwrap_or_default()
    }

    /// All of it, as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let latency = |percent| json!(milliseconds(self.latency(percent)));
        let status = &self.status;
        json!({
            "orders": self.orders,
            "paid": self.paid,
            "charges_at_provider": self.charges,
            "duplicate_charges": self.duplicates,
            "lost_charges": self.lost,
            "attempts": status.attempts,
            "retries": status.retries,
            "reconciled": status.reconciled,
            "found_by_search": status.found,
            "told_by_webhook": status.told,
            "driven_again": status.driven_again,
            "begun_anew": status.begun_anew,
            "faults": self.faults,
            "webhooks": self.webhooks.to_json(),
            "crash": self.crash.as_ref().map(Crash::to_json),
            "clients": self.seen.to_json(),
            "breaker": breaker::to_json(&status.breaker, self.run.outage, self.run.started),
            "latency_ms": {"p50": latency(50), "p90": latency(90), "p99": latency(99), "max": latency(100)},
            "concurrency": self.run.concurrency,
            "fault_level": self.run.faults.name(),
            "seed": self.run.seed,
            "wall_s": (self.run.wall.as_secs_f64() * 1e3).round() / 1e3,
        })
    }

    /// All of it, for people.
    #[must_use]
    pub fn to_table(&self) -> String {
        table::render(self)
    }
}

/// To a tenth.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}
