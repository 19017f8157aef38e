//! What the provider's answers mean.

use buttress_body::Collected;
use buttress_classify::{BoxError, Class, Classify, HttpClassifier, Sent, Verdict, find};
use buttress_idempotency::{KeyRefused, Refusal};
use buttress_key::Profile;
use buttress_retry::{Attempts, Exhausted, Outcome};
use http::{Response, StatusCode};
use serde_json::Value;

use super::input::NewOrder;

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
    /// A payment that is not decided yet, or is not what the order was placed for.
    Undecided,
}

/// Reads what became of the charge of `order`; `profile` is what the provider promises about its keys.
///
/// A payment of another amount is none that anybody asked for: it is looked into, not booked.
#[must_use]
pub fn read(answer: &Answer, profile: &Profile, order: &NewOrder) -> Charged {
    let response = match answer {
        Ok(response) => response,
        Err(error) if find::<KeyRefused>(&**error).is_some_and(is_expired) => {
            return Charged::Expired;
        }
        Err(_) => return unless_unsent(answer, profile, false),
    };
    let stored = profile.is_replay(response.headers());
    match response.status() {
        status if status.is_success() => read_payment(&body(response), order),
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
    matches!(
        refused.refusal(),
        Refusal::Expired { .. } | Refusal::Postdated { .. }
    )
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

fn read_payment(intent: &Value, order: &NewOrder) -> Charged {
    let id = intent["id"].as_str();
    match (id, intent["status"].as_str()) {
        (Some(id), Some("succeeded") | None) if costs(intent, order) => {
            Charged::Paid(id.to_owned())
        }
        (_, Some("canceled" | "requires_payment_method")) => Charged::Declined("declined".into()),
        _ => Charged::Unknown { stored: false },
    }
}

impl Found {
    /// Reads what a search for the payments of `order` found.
    #[must_use]
    pub fn read(answer: &Answer, order: &NewOrder) -> Self {
        let Ok(response) = answer else {
            return Self::NoAnswer;
        };
        let body = body(response);
        let Some(data) = body["data"]
            .as_array()
            .filter(|_| response.status().is_success())
        else {
            return Self::NoAnswer;
        };
        let is_ours = |intent: &&Value| {
            intent["metadata"]["order_id"]
                .as_str()
                .is_none_or(|id| id == order.id)
        };
        let (mut payments, mut undecided) = (Vec::new(), body["has_more"] == true);
        for intent in data.iter().filter(is_ours) {
            match read_payment(intent, order) {
                Charged::Paid(id) => payments.push(id),
                Charged::Declined(_) => {}
                _ => undecided = true,
            }
        }
        match payments.is_empty() {
            false => Self::Paid(payments),
            true if undecided => Self::Undecided,
            true => Self::Absent,
        }
    }
}

/// Whether a payment is what the order was placed for, as far as it says.
fn costs(intent: &Value, order: &NewOrder) -> bool {
    let amount = intent["amount"].as_u64();
    let currency = intent["currency"].as_str();
    amount.is_none_or(|amount| amount == order.amount)
        && currency.is_none_or(|currency| currency == order.currency)
}

fn body(response: &Response<Collected>) -> Value {
    let bytes = response.body().bytes();
    bytes
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        let body = Collected::from(Bytes::from(body.to_string()));
        Ok(Response::builder().status(status).body(body)?)
    }

    fn replayed(status: u16, body: &Value) -> Answer {
        let mut response = answer(status, body)?;
        let headers = response.headers_mut();
        headers.insert(
            "idempotent-replayed",
            http::HeaderValue::from_static("true"),
        );
        Ok(response)
    }

    fn order() -> NewOrder {
        NewOrder {
            id: "o-1".into(),
            amount: 5,
            currency: "usd".into(),
        }
    }

    fn charged(answer: &Answer) -> Charged {
        read(answer, &Profile::stripe_v1(), &order())
    }

    fn declined(reason: &str) -> Charged {
        Charged::Declined(reason.into())
    }

    const UNKNOWN: Charged = Charged::Unknown { stored: false };

    #[test]
    fn a_payment_is_paid_declined_or_not_decided_as_its_status_says() {
        for (intent, meaning) in [
            (
                json!({"id": "pi_1", "status": "succeeded"}),
                Charged::Paid("pi_1".into()),
            ),
            (json!({"id": "pi_1"}), Charged::Paid("pi_1".into())),
            (
                json!({"id": "pi_1", "status": "requires_payment_method"}),
                declined("declined"),
            ),
            (json!({"id": "pi_1", "status": "processing"}), UNKNOWN),
            (json!({"status": "succeeded"}), UNKNOWN),
            (
                json!({"id": "pi_1", "amount": 5, "currency": "usd"}),
                Charged::Paid("pi_1".into()),
            ),
            (
                json!({"id": "pi_1", "amount": 6, "currency": "usd"}),
                UNKNOWN,
            ),
            (
                json!({"id": "pi_1", "amount": 5, "currency": "eur"}),
                UNKNOWN,
            ),
            (json!("pi_1"), UNKNOWN),
        ] {
            assert_eq!(charged(&answer(200, &intent)), meaning, "{intent}");
            assert_eq!(charged(&replayed(200, &intent)), meaning, "{intent}");
        }
    }

    #[test]
    fn a_refusal_for_good_is_declined_in_the_providers_words() {
        let error = |error: Value| json!({"error": error});
        let card = error(
            json!({"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}),
        );
        assert_eq!(charged(&answer(402, &card)), declined("lost_card"));
        assert_eq!(charged(&replayed(402, &card)), declined("lost_card"));
        let small = error(json!({"type": "invalid_request_error", "code": "amount_too_small"}));
        assert_eq!(charged(&answer(400, &small)), declined("amount_too_small"));
        assert_eq!(charged(&answer(402, &Value::Null)), declined("declined"));
    }

    #[test]
    fn a_key_used_for_something_else_is_no_refusal() {
        let other = json!({"error": {"type": "idempotency_error"}});
        assert_eq!(charged(&answer(400, &other)), UNKNOWN);
    }

    #[test]
    fn what_the_profile_certifies_was_not_executed_and_the_rest_may_have_been() {
        let null = Value::Null;
        for status in [401, 429] {
            assert_eq!(charged(&answer(status, &null)), Charged::NotExecuted);
        }
        for status in [404, 409, 500, 502, 503, 302] {
            assert_eq!(charged(&answer(status, &null)), UNKNOWN, "{status}");
        }
        assert_eq!(
            charged(&replayed(500, &null)),
            Charged::Unknown { stored: true }
        );
    }

    #[test]
    fn an_error_is_unknown_unless_it_proves_that_nothing_was_sent() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(charged(&Err(reset.into())), UNKNOWN);
        assert_eq!(charged(&Err("whatever".into())), UNKNOWN);
        let draining = crate::checkout::shop::Draining::default();
        assert_eq!(charged(&Err(draining.into())), Charged::NotExecuted);
    }

    #[test]
    fn a_search_finds_the_payments_of_this_order_and_amount() {
        let order = order();
        let intent = |id: &str, order: &str, amount: u64, status: &str| {
            let metadata = json!({"order_id": order});
            json!({"id": id, "amount": amount, "currency": "usd", "status": status, "metadata": metadata})
        };
        let paid = |ids: &[&str]| Found::Paid(ids.iter().map(|&id| id.to_owned()).collect());
        for (data, found) in [
            (json!([]), Found::Absent),
            (json!([intent("a", "o-1", 5, "succeeded")]), paid(&["a"])),
            (json!([{"id": "a"}]), paid(&["a"])),
            (
                json!([
                    intent("a", "o-1", 5, "succeeded"),
                    intent("b", "o-1", 5, "succeeded")
                ]),
                paid(&["a", "b"]),
            ),
            (json!([intent("a", "o-2", 5, "succeeded")]), Found::Absent),
            (
                json!([intent("a", "o-1", 6, "succeeded")]),
                Found::Undecided,
            ),
            (
                json!([intent("a", "o-1", 5, "processing")]),
                Found::Undecided,
            ),
            (
                json!([intent("a", "o-1", 5, "requires_payment_method")]),
                Found::Absent,
            ),
        ] {
            let page = json!({"data": data, "has_more": false});
            assert_eq!(Found::read(&answer(200, &page), &order), found, "{data}");
        }
        let more = json!({"data": [], "has_more": true});
        assert_eq!(Found::read(&answer(200, &more), &order), Found::Undecided);
    }

    #[test]
    fn a_search_that_gives_no_list_is_no_answer() {
        let order = order();
        let empty = json!({"data": []});
        for answer in [
            answer(404, &empty),
            answer(503, &empty),
            answer(200, &json!({})),
            Err("gone".into()),
        ] {
            assert_eq!(Found::read(&answer, &order), Found::NoAnswer);
        }
    }
}
