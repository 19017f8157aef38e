//! The layer in front of `POST /orders`: one execution for each `Idempotency-Key`.

use std::sync::Arc;

use buttress_idempotency::{BuildError, IdempotencyKeyLayer, Inbound, Reconciled, Unresolved};
use buttress_key::DerivationSecret;
use buttress_store::IdempotencyStore;
use http::StatusCode;

use super::input::NewOrder;
use super::orders::Orders;
use super::{Settings, reply};

/// The layer itself; clones share what runs.
pub(super) type Door = IdempotencyKeyLayer<Inbound>;

/// How often a claim is renewed in the time of its lease.
const RENEWALS: u32 = 4;

/// Builds it. `secret` is the one that all processes of this shop have.
///
/// # Errors
/// When the settings do not go together.
pub(super) fn door(
    settings: &Settings,
    records: &Arc<dyn IdempotencyStore>,
    orders: &Orders,
    secret: DerivationSecret,
) -> Result<Door, BuildError> {
    let orders = orders.clone();
    IdempotencyKeyLayer::inbound(Arc::clone(records))
        .namespace("checkout")
        // This shop has no accounts. One that has them says here whose request it is.
        .single_tenant()
        .orphan_policy(settings.orphans)
        .secret(secret)
        // Repeats that come while the first is being executed get its answer too.
        .wait(settings.patience)
        .lease(settings.lease)
        .renew_every(settings.lease / RENEWALS)
        // An answer that is not kept, as 409 or 503, has changed nothing: the order's row is what
        // makes the handler safe to repeat.
        .free_unkept()
        // Under `Refuse`, and only there: what became of a request whose process died.
        .reconcile(move |lost| reconcile(orders.clone(), lost))
        .build()
}

/// An order whose row was written is taken, and goes on by itself; without a row nothing was done.
async fn reconcile(orders: Orders, lost: Unresolved) -> Option<Reconciled> {
    let Ok(order) = NewOrder::parse(lost.request().body()) else {
        return Some(Reconciled::NotExecuted);
    };
    match orders.get(&order.id).await {
        Ok(Some(row)) if row.order == order => Some(Reconciled::Completed(reply::order(
            Some(&row),
            StatusCode::CREATED,
        ))),
        Ok(_) => Some(Reconciled::NotExecuted),
        Err(_) => None,
    }
}
