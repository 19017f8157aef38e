//! The two calls that the shop makes to its provider.

use buttress_classify::BoxError;
use buttress_key::{DerivationSecret, Fingerprint};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Builder;
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use tower::ServiceExt;

use super::answer::{Answer, Found};
use super::input::NewOrder;
use super::row::Row;
use super::stack::Stack;
use super::turnstile::Ticket;

/// The provider, as the shop calls it: all through one stack.
#[derive(Clone, Debug)]
pub struct Till {
    stack: Stack,
    charges: Uri,
    authorization: HeaderValue,
}

impl Till {
    /// Calls `provider`, a URL without a slash at its end, as the owner of `api_key`.
    ///
    /// # Errors
    /// When the URL is none, or the API key cannot stand in a header.
    pub fn new(stack: Stack, provider: &str, api_key: &str) -> Result<Self, BoxError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {api_key}"))?;
        authorization.set_sensitive(true);
        Ok(Self {
            stack,
            charges: format!("{provider}/v1/payment_intents").parse()?,
            authorization,
        })
    }

    /// What the key of this order's charge is used for.
    pub(super) fn fingerprint(&self, order: &NewOrder, secret: &DerivationSecret) -> Fingerprint {
        Fingerprint::new(secret, &Method::POST, &self.charges, form(order).as_bytes())
    }

    /// Charges an order under its row's key; also how many attempts were made.
    pub(super) async fn charge(&self, row: &Row) -> (Answer, u64) {
        let ticket = Ticket::default();
        let request = Request::post(&self.charges)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(row.key.clone())
            .extension(ticket.clone());
        let answer = self.send(request, form(&row.order).into()).await;
        (answer, ticket.attempts())
    }

    /// Looks for an order's payments.
    pub(super) async fn search(&self, row: &Row) -> Found {
        // An order's id has no character that would need an escape inside the quotes.
        let wanted = format!("metadata['order_id']:'{}'", row.order.id);
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", &wanted)
            .finish();
        let request = Request::get(format!("{}/search?{query}", self.charges));
        Found::read(&self.send(request, Bytes::new()).await, &row.order)
    }

    async fn send(&self, request: Builder, body: Bytes) -> Answer {
        let request = request
            .header(AUTHORIZATION, self.authorization.clone())
            .body(Full::new(body))?;
        self.stack.clone().oneshot(request).await
    }
}

fn form(order: &NewOrder) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("amount", &order.amount.to_string())
        .append_pair("currency", &order.currency)
        .append_pair("confirm", "true")
        .append_pair("payment_method", "pm_card_visa")
        .append_pair("metadata[order_id]", &order.id)
        .finish()
}
