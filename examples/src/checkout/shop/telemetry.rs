//! Every event that the shop emits; no other file names a field.

use super::row::{Row, State};

/// Where an order stands after an operation, or after a search.
pub(super) fn stands(row: &Row) {
    let payments = row.payments.len();
    let state = match row.state {
        State::Created => "not charged",
        State::Charging => "charging",
        State::Declined { .. } => "declined",
        State::Paid => "paid",
        State::Unknown => "unknown",
    };
    tracing::info!(
        order.id = row.order.id,
        order.state = state,
        order.attempts = row.attempts,
        idempotency.generation = row.key.generation(),
        "order",
    );
    if payments > 1 {
        tracing::error!(
            order.id = row.order.id,
            order.payments = payments,
            "order charged more than once"
        );
    }
}

/// An order is certainly not charged, and its key is spent: it gets another one.
pub(super) fn begins_anew(row: &Row) {
    tracing::info!(
        order.id = row.order.id,
        idempotency.generation = row.key.generation(),
        "order begins anew under another key",
    );
}
