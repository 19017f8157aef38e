//! The money that moved: what duplicates and losses are counted in.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

/// One charge of a card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// The provider's own name for it.
    pub payment_id: String,
    /// The order that the caller named in its metadata.
    pub order_id: String,
    /// In the currency's smallest unit.
    pub amount: u64,
    /// In lower case.
    pub currency: String,
}

impl Charge {
    /// The payment intent, as the API shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.payment_id,
            "object": "payment_intent",
            "amount": self.amount,
            "currency": self.currency,
            "status": "succeeded",
            "metadata": {"order_id": self.order_id},
        })
    }
}

/// Every charge ever made, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    charges: Vec<(Charge, Instant)>,
}

impl Ledger {
    pub(super) fn charge(&mut self, order_id: &str, amount: u64, currency: &str) -> Charge {
        let charge = Charge {
            payment_id: format!("pi_{:06}", self.charges.len() + 1),
            order_id: order_id.to_owned(),
            amount,
            currency: currency.to_owned(),
        };
        self.charges.push((charge.clone(), Instant::now()));
        charge
    }

    pub(super) fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.charges.iter().map(|(charge, _)| charge)
    }

    /// The charges of `order_id` that a search finds: it lags behind by `delay`.
    pub(super) fn indexed(&self, order_id: &str, delay: Duration) -> Vec<&Charge> {
        self.charges
            .iter()
            .filter(|(charge, made)| charge.order_id == order_id && made.elapsed() >= delay)
            .map(|(charge, _)| charge)
            .collect()
    }
}
