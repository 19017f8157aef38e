//! The two calls that the shop makes to its provider.

use std::fmt;

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

/// The shop's account at its provider.
#[derive(Clone)]
pub struct Account {
    /// The provider's URL, without a slash at its end.
    pub url: String,
    /// The key that the provider gave to the shop.
    pub api_key: String,
}

/// The provider, as the shop calls it: all through one stack.
#[derive(Clone, Debug)]
pub struct Till {
    stack: Stack,
    charges: Uri,
    authorization: HeaderValue,
}

impl Till {
    /// Calls the provider as the owner of this account.
    ///
    /// # Errors
    /// When its URL is none, or its key cannot stand in a header.
    pub fn new(stack: Stack, account: &Account) -> Result<Self, BoxError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", account.api_key))?;
        authorization.set_sensitive(true);
        Ok(Self {
            stack,
            charges: format!("{}/v1/payment_intents", account.url).parse()?,
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

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("url", &self.url)
            .finish_non_exhaustive()
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
