//! The two calls that the shop makes to its provider, and what their answers mean.

use buttress_body::Collected;
use buttress_classify::{BoxError, Class, Classify, HttpClassifier, Sent, Verdict, find};
use buttress_idempotency::{KeyRefused, Refusal};
use buttress_key::{DerivationSecret, Fingerprint, Profile};
use buttress_retry::{Attempts, Exhausted, Outcome};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Builder;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde_json::Value;
use tower::ServiceExt;

use super::input::NewOrder;
use super::orders::Row;
use super::stack::Stack;
use super::turnstile::Ticket;

/// What an operation came to.
pub type Answer = Result<Response<Collected>, BoxError>;

/// What an operation's answer means for its order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Charged {
    /// The provider refused for good: nothing was charged under this key, nor will be.
    Declined(String),
    /// The key is older than the provider remembers; nothing was sent.
    Expired,
    /// Certainly not executed.
    NotExecuted,
    /// Charged; the provider's payment.
    Paid(String),
    /// Perhaps executed; `stored` when the provider will answer this key with its failure for ever.
    Unknown {
        /// Whether the provider's answer came from its memory of the key.
        stored: bool,
    },
}

/// What a search for an order's payments found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// Nothing at all.
    Absent,
    /// The provider has no search, or it did not answer.
    NoAnswer,
    /// These payments; they succeeded.
    Paid(Vec<String>),
    /// A payment that is not decided yet.
    Undecided,
}

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
        found(&self.send(request, Bytes::new()).await, row)
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

/// Reads what became of a charge; `profile` is what the provider promises about its keys.
#[must_use]
pub fn read(answer: &Answer, profile: &Profile) -> Charged {
    let response = match answer {
        Ok(response) => response,
        Err(error) if find::<KeyRefused>(&**error).is_some_and(is_expired) => {
            return Charged::Expired;
        }
        Err(_) => return unless_unsent(answer, profile, false),
    };
    let stored = profile.is_replay(response.headers());
    match response.status() {
        status if status.is_success() => read_payment(&body(response)),
        status if status.is_server_error() => unless_unsent(answer, profile, stored),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYMENT_REQUIRED
        | StatusCode::UNPROCESSABLE_ENTITY
            if outcome(answer, profile) == Outcome::Definite =>
        {
            let error = &body(response)["error"];
            if error["type"] == "idempotency_error" {
                // Another body under this key: somebody sent it, and nobody here knows what for.
                return Charged::Unknown { stored: false };
            }
            let reason = error["decline_code"].as_str().or(error["code"].as_str());
            let reason = reason.or(error["message"].as_str()).unwrap_or("declined");
            Charged::Declined(reason.to_owned())
        }
        _ => unless_unsent(answer, profile, false),
    }
}

fn is_expired(refused: &KeyRefused) -> bool {
    matches!(refused.refusal(), Refusal::Expired { .. })
}

fn unless_unsent(answer: &Answer, profile: &Profile, stored: bool) -> Charged {
    match outcome(answer, profile) {
        Outcome::NotExecuted => Charged::NotExecuted,
        _ => Charged::Unknown { stored },
    }
}

/// The retry layer's word where it has one; it has none on operations of a single attempt.
fn outcome(answer: &Answer, profile: &Profile) -> Outcome {
    let (story, judged) = match answer {
        Ok(response) => (response.extensions().get::<Attempts>(), Ok(response)),
        Err(error) => (
            find::<Exhausted>(&**error).map(Exhausted::attempts),
            Err(&**error),
        ),
    };
    if let Some(story) = story {
        return story.outcome;
    }
    let verdict = (profile.clone(), HttpClassifier).classify(judged);
    match verdict.unwrap_or(Verdict::permanent("unclassified")) {
        Verdict { sent: Sent::No, .. } => Outcome::NotExecuted,
        Verdict {
            class: Class::Success | Class::Permanent,
            ..
        } if judged.is_ok() => Outcome::Definite,
        _ => Outcome::Unknown,
    }
}

fn read_payment(intent: &Value) -> Charged {
    let id = intent["id"].as_str();
    match (id, intent["status"].as_str()) {
        (Some(id), Some("succeeded") | None) => Charged::Paid(id.to_owned()),
        (_, Some("canceled" | "requires_payment_method")) => Charged::Declined("declined".into()),
        _ => Charged::Unknown { stored: false },
    }
}

fn found(answer: &Answer, row: &Row) -> Found {
    let Ok(response) = answer else {
        return Found::NoAnswer;
    };
    let body = body(response);
    let Some(data) = body["data"]
        .as_array()
        .filter(|_| response.status().is_success())
    else {
        return Found::NoAnswer;
    };
    let is_ours = |intent: &&Value| {
        intent["metadata"]["order_id"]
            .as_str()
            .is_none_or(|id| id == row.order.id)
    };
    let (mut payments, mut undecided) = (Vec::new(), body["has_more"] == true);
    for intent in data.iter().filter(is_ours) {
        match read_payment(intent) {
            Charged::Paid(id) => payments.push(id),
            Charged::Declined(_) => {}
            _ => undecided = true,
        }
    }
    match payments.is_empty() {
        false => Found::Paid(payments),
        true if undecided => Found::Undecided,
        true => Found::Absent,
    }
}

fn body(response: &Response<Collected>) -> Value {
    let bytes = response.body().bytes();
    bytes
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default()
}
