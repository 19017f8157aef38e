//! What an event of the provider says of an order.

use serde_json::Value;

use crate::checkout::shop::NewOrder;

/// News of an order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::checkout::shop) enum News {
    /// An attempt to pay for it failed.
    Failed {
        /// The order.
        order_id: String,
    },
    /// It is paid.
    Paid(Payment),
}

/// A payment, as far as the event tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::checkout::shop) struct Payment {
    pub(super) id: String,
    pub(super) order_id: String,
    amount: Option<u64>,
    currency: Option<String>,
}

impl News {
    /// Reads an event; `None` if it is of no order, or of another kind.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(body).ok()?;
        let intent = &event["data"]["object"];
        let order_id = intent["metadata"]["order_id"].as_str()?.to_owned();
        match event["type"].as_str()? {
            "payment_intent.succeeded" => Some(Self::Paid(Payment {
                id: intent["id"].as_str()?.to_owned(),
                order_id,
                amount: intent["amount"].as_u64(),
                currency: intent["currency"].as_str().map(str::to_owned),
            })),
            "payment_intent.payment_failed" => Some(Self::Failed { order_id }),
            _ => None,
        }
    }

    /// What it says.
    pub(in crate::checkout::shop) const fn name(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::Paid(_) => "succeeded",
        }
    }

    pub(in crate::checkout::shop) fn order_id(&self) -> &str {
        match self {
            Self::Failed { order_id } => order_id,
            Self::Paid(payment) => &payment.order_id,
        }
    }
}

impl Payment {
    /// Whether it is what the order was placed for, as far as it says.
    pub(super) fn is_for(&self, order: &NewOrder) -> bool {
        let Self {
            amount, currency, ..
        } = self;
        amount.is_none_or(|amount| amount == order.amount)
            && currency
                .as_ref()
                .is_none_or(|known| *known == order.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_tells_of_one_order() {
        let news = |kind: &str| {
            let event = format!(
                r#"{{"type":"{kind}","data":{{"object":{{"id":"pi_1","amount":5,"metadata":{{"order_id":"o-1"}}}}}}}}"#
            );
            News::read(event.as_bytes())
        };
        let paid = news("payment_intent.succeeded").unwrap();
        assert_eq!((paid.name(), paid.order_id()), ("succeeded", "o-1"));
        let failed = news("payment_intent.payment_failed").unwrap();
        assert_eq!((failed.name(), failed.order_id()), ("failed", "o-1"));
        assert_eq!(news("payment_intent.created"), None);
        for other in [
            &b"[]"[..],
            b"{",
            b"\xff",
            br#"{"type":"payment_intent.succeeded"}"#,
        ] {
            assert_eq!(News::read(other), None);
        }
    }
}
