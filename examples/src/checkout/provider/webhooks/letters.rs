//! What is sent for one order, when, and by whom.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::posted::Posted;
use crate::checkout::provider::ledger::Charge;
use crate::checkout::provider::plan::Plan;

/// How long a letter takes that is not late: as a rule, the charge has been answered by then.
const SOON: Duration = Duration::from_millis(20);
/// How late a letter is that is late: the search has found the payment by then, and buyers have gone.
const LATE: Duration = Duration::from_secs(2);
/// Between the repeats of a letter.
const AGAIN: Duration = Duration::from_millis(400);
/// By how much the news of a failed attempt is overtaken.
const OVERTAKEN: Duration = Duration::from_millis(150);

/// What has happened to an order.
#[derive(Clone, Debug)]
pub(in crate::checkout::provider) enum News {
    /// Its charge failed.
    Failed(String),
    /// It was charged.
    Succeeded(Charge),
}

impl News {
    fn order_id(&self) -> &str {
        match self {
            Self::Failed(order_id) => order_id,
            Self::Succeeded(charge) => &charge.order_id,
        }
    }
}

/// Who has written a letter, and who has signed it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hand {
    /// The provider, both.
    Provider,
    /// Somebody who guesses the secret.
    Guesser,
    /// Somebody who kept an old letter.
    Collector,
    /// Somebody who changes what the provider has signed.
    Rewriter,
    /// Somebody who does not sign at all.
    Nobody,
}

/// Those who are not the provider.
const FORGERS: [Hand; 4] = [Hand::Guesser, Hand::Collector, Hand::Rewriter, Hand::Nobody];

/// One thing to send.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) body: String,
    pub(super) after: Duration,
    pub(super) hand: Hand,
}

/// The letters that tell the news, as planned.
pub(super) fn of(plan: &Plan, news: &News, posted: &mut Posted) -> Vec<Letter> {
    let order = news.order_id();
    let after = if plan.befalls(order, "late") {
        posted.late += 1;
        LATE
    } else {
        SOON
    };
    let letter = |body: &str, after, hand| Letter {
        body: body.to_owned(),
        after,
        hand,
    };
    let told = match news {
        News::Failed(order_id) => failed(order_id, "declined", posted),
        News::Succeeded(charge) => event("payment_intent.succeeded", &charge.to_json(), posted),
    };
    let mut letters = vec![letter(&told, after, Hand::Provider)];
    if plan.befalls(order, "repeated") {
        posted.repeated += 2;
        // One at the same time, one later.
        letters.push(letter(&told, after, Hand::Provider));
        letters.push(letter(&told, after + AGAIN, Hand::Provider));
    }
    if plan.befalls(order, "reordered") && matches!(news, News::Succeeded(_)) {
        posted.reordered += 1;
        let earlier = failed(order, "earlier", posted);
        letters.push(letter(&earlier, after + OVERTAKEN, Hand::Provider));
    }
    if plan.befalls(order, "forged") {
        // The bait: a payment that nobody made. What is not refused shows as paid twice.
        let bait = Charge {
            payment_id: format!("pi_forged_{}", posted.forged),
            ..match news {
                News::Succeeded(charge) => charge.clone(),
                News::Failed(order_id) => Charge {
                    payment_id: String::new(),
                    order_id: order_id.clone(),
                    amount: 1,
                    currency: "usd".to_owned(),
                },
            }
        };
        let body = event("payment_intent.succeeded", &bait.to_json(), posted);
        let forger = usize::try_from(posted.forged).unwrap_or_default() % FORGERS.len();
        posted.forged += 1;
        letters.push(letter(&body, AGAIN, FORGERS[forger]));
    }
    letters
}

/// A failed attempt to pay for an order.
fn failed(order_id: &str, which: &str, posted: &mut Posted) -> String {
    let intent = json!({
        "id": format!("pi_{which}_{order_id}"),
        "object": "payment_intent",
        "status": "requires_payment_method",
        "metadata": {"order_id": order_id},
    });
    event("payment_intent.payment_failed", &intent, posted)
}

fn event(kind: &str, intent: &Value, posted: &mut Posted) -> String {
    posted.named += 1;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    json!({
        "id": format!("evt_{:08}", posted.named),
        "object": "event",
        "created": now.map_or(0, |now| now.as_secs()),
        "type": kind,
        "data": {"object": intent},
    })
    .to_string()
}
