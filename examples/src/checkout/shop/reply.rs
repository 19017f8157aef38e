//! What buyers are answered. Everything that is not a success is an RFC 9457 problem.

use std::time::Duration;

use buttress_problem::Problem;
use buttress_store::StoreError;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::row::{Row, State};
use super::telemetry;

/// An answer with all of its body.
pub(super) type Reply = Response<Bytes>;

/// When to come back, if the store is out of reach.
const SOON: Duration = Duration::from_secs(5);

/// How an order stands; `paid` is the status if it is paid.
pub(super) fn order(row: Option<&Row>, paid: StatusCode) -> Reply {
    let Some(row) = row else {
        return problem(StatusCode::NOT_FOUND, "no such order");
    };
    let id = &row.order.id;
    match &row.state {
        State::Paid => {
            let payment = row.payments.first();
            let body = json!({"order_id": id, "payment_id": payment, "attempts": row.attempts});
            json(paid, &body)
        }
        State::Declined { reason } => Problem::new(StatusCode::PAYMENT_REQUIRED)
            .title("The provider refused the charge")
            .detail(reason.clone())
            .with("order_id", id.clone())
            .into_response(),
        State::Created | State::Charging | State::Unknown => {
            let body = json!({"order_id": id, "state": "pending", "attempts": row.attempts});
            let mut reply = json(StatusCode::ACCEPTED, &body);
            // An order's id has no character that a URL would have to escape.
            if let Ok(location) = HeaderValue::try_from(format!("/orders/{id}")) {
                reply.headers_mut().insert(LOCATION, location);
            }
            reply
        }
    }
}

/// The order is known, and was placed for something else.
pub(super) fn placed_otherwise(order_id: String) -> Reply {
    Problem::new(StatusCode::CONFLICT)
        .title("This order was placed for something else")
        .detail("an order keeps its amount and its currency")
        .with("order_id", order_id)
        .into_response()
}

/// The store does not answer: nobody can say how the order stands.
pub(super) fn unavailable(error: &StoreError) -> Reply {
    telemetry::store_failed(error);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .detail("the shop's books are out of reach")
        .retry_after(SOON)
        .into_response()
}

pub(super) fn problem(status: StatusCode, detail: &'static str) -> Reply {
    Problem::new(status).detail(detail).into_response()
}

pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Response::new(Bytes::from(body.to_string()));
    *reply.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, json);
    reply
}
