//! What the shop counts, and shows at `GET /status`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use buttress_store::StoreError;
use serde_json::{Value, json};

use super::Shop;
use super::breaker::Standing;
use super::row::{Row, State};
use super::webhooks::{self, Deliveries};

/// What settled an order of which nobody knew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum By {
    Charge,
    Search,
    Webhook,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) webhooks: webhooks::Tally,
    found: AtomicU64,
    told: AtomicU64,
    settled_again: AtomicU64,
    driven_again: AtomicU64,
    begun_anew: AtomicU64,
}

impl Tally {
    /// Counts an order that was unknown and now is not.
    pub(super) fn settled(&self, row: &Row, by: By) {
        if row.was_unknown && row.is_final() {
            let counter = match by {
                By::Charge => &self.settled_again,
                By::Search => &self.found,
                By::Webhook => &self.told,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn driven_again(&self) {
        self.driven_again.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begun_anew(&self) {
        self.begun_anew.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where the shop stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Status {
    /// Charge requests sent to the provider.
    pub attempts: u64,
    /// How many of them were resends, by the failure that made them necessary.
    pub retries: BTreeMap<String, u64>,
    /// Orders taken.
    pub orders: u64,
    /// Orders paid.
    pub paid: u64,
    /// Orders that the provider refused for good.
    pub declined: u64,
    /// Orders that are neither.
    pub pending: u64,
    /// Those of them of which nobody knows whether they were charged.
    pub unknown: Vec<String>,
    /// Orders that were unknown once and are settled now.
    pub reconciled: u64,
    /// Those of them that a search settled.
    pub found: u64,
    /// Those that a webhook settled; the others, sending the charge again.
    pub told: u64,
    /// Charges sent again under the same key, because nobody knew. Those that the circuit refused
    /// were not sent.
    pub driven_again: u64,
    /// Charges begun anew under another key, because the first was certainly absent and its key spent.
    pub begun_anew: u64,
    /// Orders with more than one payment.
    pub paid_twice: u64,
    /// What became of webhooks.
    pub webhooks: Deliveries,
    /// The circuit between the shop and its provider.
    pub breaker: Standing,
}

impl Shop {
    /// What this process has counted so far; nothing of the rows.
    #[must_use]
    pub fn counted(&self) -> Status {
        let tally = &self.0.tally;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let gates = &self.0.gates;
        let resends = gates.turnstile.resends();
        Status {
            attempts: gates.turnstile.attempts(),
            retries: resends
                .into_iter()
                .map(|(name, times)| (name.to_owned(), times))
                .collect(),
            reconciled: count(&tally.found) + count(&tally.told) + count(&tally.settled_again),
            found: count(&tally.found),
            told: count(&tally.told),
            webhooks: tally.webhooks.read(),
            driven_again: count(&tally.driven_again),
            begun_anew: count(&tally.begun_anew),
            breaker: gates.breaker.standing(),
            ..Status::default()
        }
    }

    /// Where the shop stands now: what this process has counted, and every row.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let mut status = self.counted();
        for row in self.orders().all().await? {
            status.orders += 1;
            status.paid_twice += u64::from(row.payments.len() > 1);
            match row.state {
                State::Paid => status.paid += 1,
                State::Declined { .. } => status.declined += 1,
                State::Created | State::Charging => status.pending += 1,
                State::Unknown => {
                    status.pending += 1;
                    status.unknown.push(row.order.id);
                }
            }
        }
        Ok(status)
    }
}

impl Status {
    /// Adds what another process of the shop has counted; nothing of the rows.
    pub fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        for (reason, times) in &other.retries {
            *self.retries.entry(reason.clone()).or_default() += times;
        }
        self.reconciled += other.reconciled;
        self.found += other.found;
        self.told += other.told;
        self.webhooks.accepted += other.webhooks.accepted;
        self.webhooks.duplicate += other.webhooks.duplicate;
        self.webhooks.refused += other.webhooks.refused;
        self.webhooks.put_off += other.webhooks.put_off;
        self.driven_again += other.driven_again;
        self.begun_anew += other.begun_anew;
        self.breaker.refused += other.breaker.refused;
        self.breaker.transitions += other.breaker.transitions;
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "attempts": self.attempts,
            "retries": self.retries,
            "orders": self.orders,
            "paid": self.paid,
            "declined": self.declined,
            "pending": self.pending,
            "unknown": self.unknown,
            "reconciled": self.reconciled,
            "found": self.found,
            "told": self.told,
            "driven_again": self.driven_again,
            "begun_anew": self.begun_anew,
            "paid_twice": self.paid_twice,
            "webhooks": self.webhooks.to_json(),
            "breaker": self.breaker.to_json(),
        })
    }
}
