//! Every event that the shop emits; no other file names a field.

use std::io;

use buttress_classify::chain;
use buttress_store::StoreError;

use super::answer::Answer;
use super::held::Adrift;
use super::row::{Row, State};
use super::webhooks::News;

/// What a charge was answered with, unless it worked.
pub(super) fn answered(row: &Row, answer: &Answer) {
    match answer {
        Ok(response) if response.status().is_success() => {}
        Ok(response) => tracing::info!(
            order.id = row.order.id,
            http.response.status_code = response.status().as_u16(),
            "charge refused",
        ),
        Err(error) => {
            let causes: Vec<_> = chain(&**error).map(ToString::to_string).collect();
            tracing::info!(
                order.id = row.order.id,
                error = causes.join(": "),
                "charge failed"
            );
        }
    }
}

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

/// An order of an earlier process is taken over.
pub(super) fn resumes(row: &Row) {
    tracing::info!(
        order.id = row.order.id,
        idempotency.generation = row.key.generation(),
        "order taken over",
    );
}

/// An order is left, or those that are left cannot be found.
pub(super) fn adrift(row: Option<&Row>, adrift: &Adrift) {
    let causes: Vec<_> = chain(adrift).map(ToString::to_string).collect();
    tracing::warn!(
        order.id = row.map(|row| &*row.order.id),
        error = causes.join(": "),
        "order left for whoever comes next",
    );
}

/// The store did not answer somebody who asked.
pub(super) fn store_failed(error: &StoreError) {
    let causes: Vec<_> = chain(error).map(ToString::to_string).collect();
    tracing::error!(error = causes.join(": "), "store failed");
}

/// A packing slip was not printed.
pub(super) fn unprinted(order_id: &str, error: &io::Error) {
    tracing::error!(order.id = order_id, %error, "packing slip not printed");
}

/// A webhook that was verified.
pub(super) fn heard(source: &str, news: Option<&News>) {
    tracing::info!(
        webhook.scheme = source,
        order.id = news.map(News::order_id),
        webhook.news = news.map(News::name),
        "webhook",
    );
}

/// The provider tells of a payment for no order of this shop, or for something else.
pub(super) fn foreign(order_id: &str, payment_id: &str) {
    tracing::warn!(
        order.id = order_id,
        payment.id = payment_id,
        "payment for no order"
    );
}

/// A topic of AWS SNS would send to this shop, if somebody confirmed it.
pub(super) fn offered(topic_arn: &str) {
    tracing::warn!(webhook.topic = topic_arn, "subscription to be confirmed");
}
