//! `POST /v1/payment_intents`: authenticate, validate, consult the key, execute, answer.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Provider;
use super::keys::{Answer, Begin};
use super::plan::Fault;
use super::webhooks::News;

/// How long a charge takes when all goes well.
const WORK: Duration = Duration::from_millis(5);

/// The largest amount that the API takes: eight digits.
const LARGEST: u64 = 99_999_999;

/// A request to charge, as its form says it.
#[derive(Clone, Debug)]
pub(super) struct Form {
    parameters: Vec<(String, String)>,
    pub(super) order_id: String,
    amount: u64,
    currency: String,
    declined: bool,
}

impl Form {
    /// Reads the form, or says what is wrong with it.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut parameters: Vec<(String, String)> =
            form_urlencoded::parse(body).into_owned().collect();
        parameters.sort();
        let parameter = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known == name);
            found
                .map(|(_, value)| value.clone())
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("missing parameter: {name}"))
        };
        if parameter("confirm")? != "true" {
            return Err("this provider only charges at once: confirm=true".into());
        }
        let amount = parameter("amount")?.parse().ok();
        let method = parameter("payment_method")?;
        Ok(Self {
            order_id: parameter("metadata[order_id]")?,
            amount: amount
                .filter(|amount| (1..=LARGEST).contains(amount))
                .ok_or("invalid amount")?,
            currency: parameter("currency")?,
            declined: method == "pm_card_chargeDeclined",
            parameters,
        })
    }
}

/// An answer, and where it comes from.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This request was executed.
    Executed(Answer),
    /// The key's first request was, and this is its answer.
    Replayed(Answer),
    /// The key forbids it.
    Refused(Answer),
}

impl Provider {
    /// Consults the key, and executes the charge if this is its first request, or if there is no key.
    pub(super) async fn charge(
        &self,
        key: Option<String>,
        form: Form,
        fault: Option<Fault>,
    ) -> Outcome {
        if let Some(key) = &key {
            let begin = {
                let mut state = self.state();
                let now = state.now();
                state.keys.begin(key, &form.parameters, now)
            };
            match begin {
                Begin::First => {}
                Begin::InFlight => {
                    let message = "another request with this key is being processed";
                    let answer = Answer::error(StatusCode::CONFLICT, "idempotency_error", message);
                    return Outcome::Refused(answer);
                }
                Begin::Mismatch => {
                    let message = "this key was first used with other parameters";
                    let answer =
                        Answer::error(StatusCode::BAD_REQUEST, "idempotency_error", message);
                    return Outcome::Refused(answer);
                }
                Begin::Replay(answer) => return Outcome::Replayed(answer),
            }
        }
        let provider = self.clone();
        let execution = async move {
            let answer = provider.execute(&form, fault).await;
            if let Some(key) = key {
                provider.state().keys.complete(&key, &answer);
            }
            answer
        };
        // In a task of its own: a caller that hangs up does not stop a charge.
        Outcome::Executed(
            tokio::spawn(execution)
                .await
                .unwrap_or_else(|_| Answer::failed()),
        )
    }

    async fn execute(&self, form: &Form, fault: Option<Fault>) -> Answer {
        if fault == Some(Fault::Hangs) {
            self.state().saw(Fault::Hangs);
            sleep(self.settings.hang).await;
        } else {
            sleep(WORK).await;
        }
        let mut state = self.state();
        if fault == Some(Fault::FailsBeforeCharging) {
            state.saw(Fault::FailsBeforeCharging);
            return Answer::failed();
        }
        if form.declined {
            self.announce(&News::Failed(form.order_id.clone()));
            return Answer::error(
                StatusCode::PAYMENT_REQUIRED,
                "card_error",
                "the card was declined",
            );
        }
        let charge = state
            .ledger
            .charge(&form.order_id, form.amount, &form.currency);
        self.announce(&News::Succeeded(charge.clone()));
        if fault == Some(Fault::FailsAfterCharging) {
            state.saw(Fault::FailsAfterCharging);
            return Answer::failed();
        }
        Answer::ok(charge.to_json())
    }
}

impl Answer {
    pub(super) const fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
        }
    }

    pub(super) fn error(status: StatusCode, kind: &str, message: &str) -> Self {
        Self {
            status,
            body: json!({"error": {"type": kind, "message": message}}),
        }
    }

    fn failed() -> Self {
        Self::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "api_error",
            "something went wrong on our side",
        )
    }
}
