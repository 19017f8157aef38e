//! `POST /webhooks/{source}`: what senders tell the shop, verified, heard once, and recorded.
//!
//! ```text
//! senders      who may send, and their secrets, as the environment says
//!   scheme       a sender's secrets as the scheme that verifies it
//!   keys         the client that fetches keys which a delivery names
//! news         what an event of the provider says of an order
//! tally        what became of deliveries
//! ```

mod keys;
mod news;
mod scheme;
mod senders;
mod tally;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State as Shared;
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use buttress_event::Event;
use buttress_idempotency::{BuildError, IdempotencyKeyLayer, Inbound};
use buttress_key::DerivationSecret;
use buttress_store::{IdempotencyStore, OrphanPolicy, StoreError};
use buttress_webhook::SnsSubscription;

use self::news::Payment;
pub(super) use self::{news::News, tally::Tally};
pub use self::{senders::Senders, tally::Deliveries};
use super::status::By;
use super::{Settings, Shop, reply, telemetry};

/// The sender that knows of the payments of this shop's orders.
const PROVIDER: &str = "stripe";

/// The sender that asks before it sends: an operator answers, by visiting the URL in the message.
const TOPICS: &str = "aws-sns";

/// No sender's cap is larger.
const LARGEST: usize = 25 * 1024 * 1024;

/// The layer behind verification: one hearing for each event.
pub(super) type Letterbox = IdempotencyKeyLayer<Inbound>;

/// How often a claim is renewed in the time of its lease.
const RENEWALS: u32 = 4;

/// Builds it. `secret` is the one that all processes of this shop have.
///
/// # Errors
/// When the settings do not go together.
pub(super) fn letterbox(
    settings: &Settings,
    records: &Arc<dyn IdempotencyStore>,
    secret: DerivationSecret,
) -> Result<Letterbox, BuildError> {
    IdempotencyKeyLayer::inbound(Arc::clone(records))
        .webhooks()
        .namespace("checkout webhooks")
        // To record a payment that is recorded already changes nothing.
        .orphan_policy(OrphanPolicy::ReExecute)
        .secret(secret)
        .request_cap(LARGEST)
        .lease(settings.lease)
        .renew_every(settings.lease / RENEWALS)
        .build()
}

impl Shop {
    /// A route for each sender that the shop has a secret for. The last layer is the outermost.
    pub(super) fn webhooks(&self) -> Router<Self> {
        let senders = self.0.settings.senders.all().iter();
        senders.fold(Router::new(), |router, sender| {
            // Not POST alone: some senders ask by GET or HEAD whether an endpoint is theirs.
            let route = any(receive)
                .layer::<_, Infallible>(self.0.letterbox.clone())
                .layer::<_, Infallible>(sender.layer.clone())
                .layer(map_response_with_state(self.clone(), count));
            router.route(&format!("/webhooks/{}", sender.name), route)
        })
    }

    /// Hears a verified event, for the first time or again after a failure.
    async fn hear(&self, event: &Event) -> Result<(), StoreError> {
        let source = event.verified.source().as_str();
        let news = match source {
            PROVIDER => News::read(&event.body),
            // Whoever else is heard knows nothing of this shop's payments.
            _ => None,
        };
        telemetry::heard(source, news.as_ref());
        if source == TOPICS
            && let Some(offered) = SnsSubscription::of(&event.body)
        {
            telemetry::offered(&offered.topic_arn);
        }
        match news {
            Some(News::Paid(payment)) => self.is_paid(&payment).await,
            // The provider's answer to the charge says so too, and knows of which attempt: another
            // may be under way. News that is late never overrides what has come of that one.
            Some(News::Failed { .. }) | None => Ok(()),
        }
    }

    /// Records a payment, whether the charge has been answered or not.
    async fn is_paid(&self, payment: &Payment) -> Result<(), StoreError> {
        let known = self.orders().get(&payment.order_id).await?;
        if !known.is_some_and(|row| payment.is_for(&row.order)) {
            telemetry::foreign(&payment.order_id, &payment.id);
            return Ok(());
        }
        let is_news = AtomicBool::new(false);
        let row = self
            .orders()
            .amend(&payment.order_id, |row| {
                is_news.store(!row.is_final(), Ordering::Relaxed);
                row.paid(payment.id.clone());
            })
            .await?;
        if let Some(row) = row {
            if is_news.into_inner() {
                self.0.tally.settled(&row, By::Webhook);
            }
            telemetry::stands(&row);
        }
        Ok(())
    }
}

async fn receive(Shared(shop): Shared<Shop>, event: Event) -> Response {
    match shop.hear(&event).await {
        Ok(()) => {
            shop.0.tally.webhooks.accepted();
            event.verified.success().into_response()
        }
        Err(error) => reply::unavailable(&error).map(axum::body::Body::from),
    }
}

/// Counts what the layers answered.
async fn count(Shared(shop): Shared<Shop>, response: Response) -> Response {
    shop.0.tally.webhooks.answered(&response);
    response
}
