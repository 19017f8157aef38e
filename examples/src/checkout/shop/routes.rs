//! The shop's HTTP interface. Whatever goes wrong is answered with an RFC 9457 problem.

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use buttress_problem::Problem;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::Shop;
use super::input::NewOrder;
use super::orders::Placed;
use super::row::{Row, State};

const LARGEST_BODY: usize = 16 * 1024;

/// The shop's routes.
pub fn router(shop: Shop) -> Router {
    Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(show))
        .route("/status", get(status))
        .fallback(async || problem(StatusCode::NOT_FOUND, "no such page"))
        .method_not_allowed_fallback(async || {
            problem(StatusCode::METHOD_NOT_ALLOWED, "not in this way")
        })
        .with_state(shop)
}

async fn place(Shared(shop): Shared<Shop>, request: Request) -> Response {
    let order = match read(request).await {
        Ok(order) => order,
        Err(problem) => return problem.into_response(),
    };
    if shop.0.drain.is_closed() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the shop is closing");
    }
    let (row, first) = match shop.place(&order) {
        Placed::New => (shop.wait(&order.id).await, true),
        Placed::Same => (shop.wait(&order.id).await, false),
        Placed::Other => {
            let problem = Problem::new(StatusCode::CONFLICT)
                .title("This order was placed for something else")
                .detail("an order keeps its amount and its currency")
                .with("order_id", order.id);
            return problem.into_response();
        }
    };
    let created = if first {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    answer(row, created)
}

async fn show(Shared(shop): Shared<Shop>, id: Result<Path<String>, PathRejection>) -> Response {
    // What is no text names no order.
    let row = id.ok().and_then(|Path(id)| shop.orders().get(&id));
    answer(row, StatusCode::OK)
}

async fn status(Shared(shop): Shared<Shop>) -> Response {
    json_response(StatusCode::OK, &shop.status().to_json())
}

async fn read(request: Request) -> Result<NewOrder, Box<Problem>> {
    if !is_json(request.headers()) {
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail("an order is sent as application/json");
        return Err(problem.into());
    }
    let body = buttress_body::collect(request.into_body(), LARGEST_BODY).await;
    let body = body.map_err(|error| {
        Box::new(if error.is::<buttress_body::TooLarge>() {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
                .detail(format!("an order has at most {LARGEST_BODY} bytes"))
        } else {
            Problem::new(StatusCode::BAD_REQUEST)
                .detail("the body ended early")
                .with("field", "body")
        })
    })?;
    NewOrder::parse(&body.bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media_type
        .and_then(|text| text.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

impl Shop {
    /// Writes the order's row, and starts its life if it is new.
    fn place(&self, order: &NewOrder) -> Placed {
        let row = || Row::new(order.clone(), self.key(order, 1), Instant::now());
        let placed = self.0.orders.place(order, row);
        if matches!(placed, Placed::New) {
            // In a task of its own: a buyer who hangs up does not stop a charge.
            tokio::spawn(self.clone().live(order.id.clone()));
        }
        placed
    }

    /// The order's row once its charge has been tried, or as it stands when patience ends.
    async fn wait(&self, id: &str) -> Option<Row> {
        match timeout(self.0.settings.patience, self.orders().tried(id)).await {
            Ok(row) => row,
            Err(_) => self.orders().get(id),
        }
    }
}

fn answer(row: Option<Row>, paid: StatusCode) -> Response {
    let Some(row) = row else {
        return problem(StatusCode::NOT_FOUND, "no such order");
    };
    let id = &row.order.id;
    match &row.state {
        State::Paid => json_response(
            paid,
            &json!({"order_id": id, "payment_id": row.payments.first(), "attempts": row.attempts}),
        ),
        State::Declined { reason } => Problem::new(StatusCode::PAYMENT_REQUIRED)
            .title("The provider refused the charge")
            .detail(reason.clone())
            .with("order_id", id.clone())
            .into_response(),
        State::Created | State::Charging | State::Unknown => {
            let pending = json!({"order_id": id, "state": "pending", "attempts": row.attempts});
            let mut response = json_response(StatusCode::ACCEPTED, &pending);
            // An order's id has no character that a URL would have to escape.
            if let Ok(location) = HeaderValue::try_from(format!("/orders/{id}")) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
    }
}

fn problem(status: StatusCode, detail: &'static str) -> Response {
    Problem::new(status).detail(detail).into_response()
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
