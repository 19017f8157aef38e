//! An order's row: what the shop knows of it, written before anything is sent.
//!
//! ```text
//! Created ── Charging ─┬─ Paid
//!    │          │      ├─ Declined
//!    └──────────┴──────┴─ Unknown ── (found) Paid │ (same key) Charging │ (absent, new key) Charging
//! ```

use buttress_idempotency::OutboundKey;
use tokio::time::Instant;

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

impl State {
    /// Its name in records and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Charging => "charging",
            Self::Declined { .. } => "declined",
            Self::Paid => "paid",
            Self::Unknown => "unknown",
        }
    }
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
    pub quiet: Instant,
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
    pub fn new(order: NewOrder, key: OutboundKey, now: Instant) -> Self {
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

    /// Its charge is about to be sent.
    pub(super) fn begin(&mut self) {
        if !self.is_final() {
            self.state = State::Charging;
        }
    }

    /// Begins anew under `key`; only for an order that is certainly not charged.
    pub(super) fn renew(&mut self, key: OutboundKey, now: Instant) {
        if self.is_final() {
            return;
        }
        self.key = key;
        self.doubt = Doubt::none(now);
        self.state = State::Created;
    }

    /// For whoever takes the order over: what was under way may have been sent, and no time is known
    /// that another process measured, so it is measured from `now` on.
    pub fn resume(&mut self, now: Instant, lags: &Lags) {
        if self.state == State::Charging {
            self.doubt.sent = true;
            self.in_doubt();
        }
        self.doubt.quiet = match self.doubt.spent {
            Some(Spent::StoredFailure) => now,
            Some(Spent::Expired) | None => now + lags.execution,
        };
    }

    /// Records what became of an operation that ended `now`.
    pub(super) fn learn(&mut self, charged: Charged, now: Instant, lags: &Lags) {
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
    const fn none(now: Instant) -> Self {
        Self {
            sent: false,
            spent: None,
            quiet: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

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

    fn row(now: Instant) -> Row {
        let order = NewOrder {
            id: "o-1".into(),
            amount: 5,
            currency: "usd".into(),
        };
        Row::new(order, key(), now)
    }

    /// The row after these outcomes, and the time of all of them.
    fn after(outcomes: impl IntoIterator<Item = Charged>) -> (Row, Instant) {
        let now = Instant::now();
        let mut row = row(now);
        for outcome in outcomes {
            row.state = State::Charging;
            row.learn(outcome, now, &LAGS);
        }
        (row, now)
    }

    const UNKNOWN: Charged = Charged::Unknown { stored: false };
    const STORED: Charged = Charged::Unknown { stored: true };

    #[test]
    fn an_order_is_unknown_from_the_first_attempt_that_may_have_been_executed() {
        let state = |outcomes: &[Charged]| after(outcomes.iter().cloned()).0.state;
        assert_eq!(state(&[Charged::NotExecuted]), State::Created);
        assert_eq!(state(&[UNKNOWN]), State::Unknown);
        assert_eq!(state(&[UNKNOWN, Charged::NotExecuted]), State::Unknown);
        assert_eq!(state(&[Charged::NotExecuted, UNKNOWN]), State::Unknown);
    }

    #[test]
    fn a_stored_answer_ends_the_key_and_shows_that_nothing_runs_under_it() {
        let (row, now) = after([UNKNOWN]);
        assert_eq!(
            (row.doubt.spent, row.doubt.quiet),
            (None, now + LAGS.execution)
        );
        let (row, now) = after([UNKNOWN, STORED]);
        assert_eq!(
            (row.doubt.spent, row.doubt.quiet),
            (Some(Spent::StoredFailure), now)
        );
    }

    #[test]
    fn an_expired_key_is_spent_and_what_was_in_doubt_stays_so() {
        let (row, _) = after([UNKNOWN, Charged::Expired]);
        assert_eq!(
            (row.doubt.spent, row.state),
            (Some(Spent::Expired), State::Unknown)
        );
        let (row, _) = after([Charged::Expired]);
        assert_eq!((row.doubt.sent, row.state), (false, State::Created));
    }

    #[test]
    fn a_new_key_is_in_no_doubt_but_the_order_was() {
        let (mut row, now) = after([STORED]);
        row.renew(key().with_generation(2), now);
        assert_eq!((row.doubt, row.state), (Doubt::none(now), State::Created));
        assert_eq!((row.key.generation(), row.was_unknown), (2, true));
    }

    #[test]
    fn a_charge_that_was_under_way_in_another_process_may_have_been_executed() {
        let now = Instant::now();
        let mut charging = row(now);
        charging.state = State::Charging;
        charging.resume(now, &LAGS);
        assert_eq!(charging.state, State::Unknown);
        assert_eq!((charging.doubt.sent, charging.was_unknown), (true, true));
        assert_eq!(charging.doubt.quiet, now + LAGS.execution);

        let mut created = row(now);
        created.resume(now, &LAGS);
        assert_eq!((created.doubt.sent, created.state), (false, State::Created));
    }

    #[test]
    fn an_absence_is_proven_anew_by_whoever_takes_the_order_over() {
        let (mut row, earlier) = after([STORED]);
        let now = earlier + Duration::from_mins(1);
        row.resume(now, &LAGS);
        assert_eq!(
            (row.doubt.spent, row.doubt.quiet),
            (Some(Spent::StoredFailure), now)
        );
    }

    #[test]
    fn nothing_undoes_a_payment_and_a_second_one_is_kept() {
        let (mut row, now) = after([Charged::Paid("a".into())]);
        row.declined("no".into());
        row.learn(UNKNOWN, now, &LAGS);
        row.paid("a".into());
        row.paid("b".into());
        assert_eq!(
            (&row.state, &row.payments[..]),
            (&State::Paid, &["a".into(), "b".into()][..])
        );
    }
}
