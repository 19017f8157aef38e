//! The order rows: what the shop knows, written before anything is sent.
//!
//! ```text
//! Created ── Charging ─┬─ Paid
//!    │          │      ├─ Declined
//!    └──────────┴──────┴─ Unknown ── (found) Paid │ (same key) Charging │ (absent, new key) Charging
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use buttress_idempotency::OutboundKey;
use tokio::sync::watch;

use super::answer::Charged;
use super::input::NewOrder;
use super::reconcile::Lags;

/// Where an order stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// Nothing has been sent for it; or only what certainly was not executed.
    Created,
    /// A charge is under way, under the row's key.
    Charging,
    /// The provider refused the charge for good.
    Declined {
        /// In the provider's words.
        reason: String,
    },
    /// Paid, by the first of the row's payments.
    Paid,
    /// A charge may have happened. Only the provider knows.
    Unknown,
}

/// Why a key can be used no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spent {
    /// The provider may have forgotten it.
    Expired,
    /// The provider answers it with a stored failure, for ever.
    StoredFailure,
}

/// What is in doubt about the row's present key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Doubt {
    /// Whether an attempt under it may have reached the provider.
    pub sent: bool,
    /// Whether it can still be used.
    pub spent: Option<Spent>,
    /// From when on no attempt under it can still be running.
    pub quiet: SystemTime,
}

/// One order.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the buyer asked for.
    pub order: NewOrder,
    /// The provider's key of its charge: with its generation, its first use, and its fingerprint.
    pub key: OutboundKey,
    /// Where it stands.
    pub state: State,
    /// What is in doubt about the key.
    pub doubt: Doubt,
    /// How many times it was sent to the provider, whatever became of it.
    pub attempts: u64,
    /// How many operations those attempts were made in.
    pub operations: u32,
    /// Whether its outcome was ever unknown.
    pub was_unknown: bool,
    /// The provider's payments for it. A second one is a double charge, and is kept to show it.
    pub payments: Vec<String>,
}

impl Row {
    /// A row for an order of which nothing has been sent.
    #[must_use]
    pub fn new(order: NewOrder, key: OutboundKey, now: SystemTime) -> Self {
        Self {
            order,
            key,
            state: State::Created,
            doubt: Doubt::none(now),
            attempts: 0,
            operations: 0,
            was_unknown: false,
            payments: Vec::new(),
        }
    }

    /// Begins anew under `key`; only for an order that is certainly not charged.
    pub(super) fn renew(&mut self, key: OutboundKey, now: SystemTime) {
        self.key = key;
        self.doubt = Doubt::none(now);
        self.state = State::Created;
    }

    /// Records what became of an operation that ended `now`.
    pub(super) fn learn(&mut self, charged: Charged, now: SystemTime, lags: &Lags) {
        self.operations += 1;
        match charged {
            Charged::Paid(payment_id) => self.paid(payment_id),
            Charged::Declined(reason) => self.declined(reason),
            Charged::Unknown { stored } => {
                self.doubt.sent = true;
                self.doubt.quiet = if stored { now } else { now + lags.execution };
                if stored {
                    self.doubt.spent = Some(Spent::StoredFailure);
                }
                self.in_doubt();
            }
            Charged::NotExecuted => self.in_doubt(),
            Charged::Expired => {
                self.doubt.spent = Some(Spent::Expired);
                self.in_doubt();
            }
        }
    }

    /// Nothing new is known of the charge: it stands as it stood before the operation.
    fn in_doubt(&mut self) {
        if self.is_final() {
            return;
        }
        self.was_unknown |= self.doubt.sent;
        self.state = if self.doubt.sent {
            State::Unknown
        } else {
            State::Created
        };
    }

    /// Records a payment. Paid is final: nothing undoes it, and it undoes all but a refusal.
    pub(super) fn paid(&mut self, payment_id: String) {
        if !self.payments.contains(&payment_id) {
            self.payments.push(payment_id);
        }
        if !matches!(self.state, State::Declined { .. }) {
            self.state = State::Paid;
        }
    }

    /// Records a refusal; it never overrides a payment.
    pub(super) fn declined(&mut self, reason: String) {
        if self.state != State::Paid {
            self.state = State::Declined { reason };
        }
    }

    /// Whether nothing more will be done for it.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self.state, State::Paid | State::Declined { .. })
    }

    /// Whether its first charge is still being tried, so that waiting for it may pay.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.state == State::Charging || (self.state == State::Created && self.operations == 0)
    }
}

impl Doubt {
    const fn none(now: SystemTime) -> Self {
        Self {
            sent: false,
            spent: None,
            quiet: now,
        }
    }
}

/// What became of an order that was placed.
#[derive(Debug)]
pub(super) enum Placed {
    /// Its row is new.
    New,
    /// It is known, and was placed for something else.
    Other,
    /// It is known.
    Same,
}

/// All rows, in memory: they end with the process.
#[derive(Debug, Default)]
pub struct Orders(Mutex<BTreeMap<String, watch::Sender<Row>>>);

impl Orders {
    /// Writes a row for `order`, unless there is one.
    pub(super) fn place(&self, order: &NewOrder, row: impl FnOnce() -> Row) -> Placed {
        let mut rows = self.rows();
        match rows.get(&order.id) {
            Some(row) if row.borrow().order == *order => Placed::Same,
            Some(_) => Placed::Other,
            None => {
                rows.insert(order.id.clone(), watch::Sender::new(row()));
                Placed::New
            }
        }
    }

    /// The row of this order as it stands now.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Row> {
        self.rows().get(id).map(|row| row.borrow().clone())
    }

    /// Changes a row, and returns it as it then stands.
    pub fn update(&self, id: &str, change: impl FnOnce(&mut Row)) -> Option<Row> {
        let rows = self.rows();
        let row = rows.get(id)?;
        row.send_modify(change);
        Some(row.borrow().clone())
    }

    /// The row of this order once its first charge is no longer being tried.
    pub(super) async fn tried(&self, id: &str) -> Option<Row> {
        let mut row = self.rows().get(id)?.subscribe();
        let row = row.wait_for(|row| !row.is_under_way()).await.ok()?;
        Some(row.clone())
    }

    /// Every row as it stands now, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Row> {
        self.rows()
            .values()
            .map(|row| row.borrow().clone())
            .collect()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<Row>>> {
        // No code here panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use buttress_key::IdempotencyKey;

    use super::*;

    const LAGS: Lags = Lags {
        execution: Duration::from_secs(10),
        indexing: Duration::from_secs(5),
    };

    fn key() -> OutboundKey {
        OutboundKey::new(
            IdempotencyKey::parse("key").unwrap(),
            SystemTime::UNIX_EPOCH,
        )
    }

    fn row() -> Row {
        let order = NewOrder {
            id: "o-1".into(),
            amount: 5,
            currency: "usd".into(),
        };
        Row::new(order, key(), SystemTime::UNIX_EPOCH)
    }

    fn after(outcomes: impl IntoIterator<Item = Charged>) -> Row {
        let mut row = row();
        for outcome in outcomes {
            row.state = State::Charging;
            row.learn(outcome, SystemTime::UNIX_EPOCH, &LAGS);
        }
        row
    }

    const UNKNOWN: Charged = Charged::Unknown { stored: false };
    const STORED: Charged = Charged::Unknown { stored: true };

    #[test]
    fn an_order_is_unknown_from_the_first_attempt_that_may_have_been_executed() {
        assert_eq!(after([Charged::NotExecuted]).state, State::Created);
        assert_eq!(after([UNKNOWN]).state, State::Unknown);
        assert_eq!(after([UNKNOWN, Charged::NotExecuted]).state, State::Unknown);
        assert_eq!(after([Charged::NotExecuted, UNKNOWN]).state, State::Unknown);
    }

    #[test]
    fn a_stored_answer_ends_the_key_and_shows_that_nothing_runs_under_it() {
        let row = after([UNKNOWN]);
        assert_eq!(
            (row.doubt.spent, row.doubt.quiet),
            (None, SystemTime::UNIX_EPOCH + LAGS.execution)
        );
        let row = after([UNKNOWN, STORED]);
        let spent = Some(Spent::StoredFailure);
        assert_eq!(
            (row.doubt.spent, row.doubt.quiet),
            (spent, SystemTime::UNIX_EPOCH)
        );
    }

    #[test]
    fn an_expired_key_is_spent_and_what_was_in_doubt_stays_so() {
        let row = after([UNKNOWN, Charged::Expired]);
        assert_eq!(
            (row.doubt.spent, row.state),
            (Some(Spent::Expired), State::Unknown)
        );
        let row = after([Charged::Expired]);
        assert_eq!((row.doubt.sent, row.state), (false, State::Created));
    }

    #[test]
    fn a_new_key_is_in_no_doubt_but_the_order_was() {
        let mut row = after([STORED]);
        row.renew(key().with_generation(2), SystemTime::UNIX_EPOCH);
        assert_eq!(
            (row.doubt, row.state),
            (Doubt::none(SystemTime::UNIX_EPOCH), State::Created)
        );
        assert_eq!((row.key.generation(), row.was_unknown), (2, true));
    }

    #[test]
    fn nothing_undoes_a_payment_and_a_second_one_is_kept() {
        let mut row = after([Charged::Paid("a".into())]);
        row.declined("no".into());
        row.learn(UNKNOWN, SystemTime::UNIX_EPOCH, &LAGS);
        row.paid("a".into());
        row.paid("b".into());
        assert_eq!(
            (&row.state, &row.payments[..]),
            (&State::Paid, &["a".into(), "b".into()][..])
        );
    }
}
