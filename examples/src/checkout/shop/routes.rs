//! The shop's HTTP interface.

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use buttress_idempotency::Execution;
use buttress_problem::Problem;
use buttress_store::{StoreError, StoreErrorKind};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::input::NewOrder;
use super::reply::{self, Reply};
use super::row::Row;
use super::{Shop, telemetry};

const LARGEST_BODY: usize = 16 * 1024;

/// The shop's routes.
pub fn router(shop: Shop) -> Router {
    Router::new()
        .route("/orders", post(place).route_layer(shop.0.door.clone()))
        .route("/orders/{id}", get(show))
        .route("/status", get(status))
        .merge(shop.webhooks())
        .fallback(async || problem(StatusCode::NOT_FOUND, "no such page"))
        .method_not_allowed_fallback(async || {
            problem(StatusCode::METHOD_NOT_ALLOWED, "not in this way")
        })
        .with_state(shop)
}

async fn place(Shared(shop): Shared<Shop>, request: Request) -> Response {
    // Only of a request with a key: above 1 an earlier execution of it was lost half-way.
    let execution = request
        .extensions()
        .get::<Execution>()
        .map(Execution::number);
    let reply = match read(request).await {
        Ok(_) if shop.0.drain.is_closed() => {
            reply::problem(StatusCode::SERVICE_UNAVAILABLE, "the shop is closing")
        }
        Ok(order) => match shop
            .take(order, execution.is_some_and(|number| number > 1))
            .await
        {
            Ok(reply) => reply,
            Err(error) => reply::unavailable(&error),
        },
        Err(problem) => problem.into_response(),
    };
    reply.map(Body::from)
}

async fn show(Shared(shop): Shared<Shop>, id: Result<Path<String>, PathRejection>) -> Response {
    // What is no text names no order.
    let row = match &id {
        Ok(Path(id)) => shop.orders().get(id).await,
        Err(_) => Ok(None),
    };
    let reply = match row {
        Ok(row) => reply::order(row.as_ref(), StatusCode::OK),
        Err(error) => reply::unavailable(&error),
    };
    reply.map(Body::from)
}

async fn status(Shared(shop): Shared<Shop>) -> Response {
    let reply = match shop.status().await {
        Ok(status) => reply::json(StatusCode::OK, &status.to_json()),
        Err(error) => reply::unavailable(&error),
    };
    reply.map(Body::from)
}

fn problem(status: StatusCode, detail: &'static str) -> Response {
    reply::problem(status, detail).map(Body::from)
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

/// What became of an order that was placed.
enum Placed {
    /// Its row is new.
    New,
    /// It is known, and was placed for something else.
    Other,
    /// It is known.
    Same,
}

impl Shop {
    /// Takes an order; `again` if an earlier execution of the same request may have taken it.
    async fn take(&self, order: NewOrder, again: bool) -> Result<Reply, StoreError> {
        let id = order.id.clone();
        let created = match self.place(order).await? {
            Placed::Other => return Ok(reply::placed_otherwise(id)),
            Placed::Same if !again => StatusCode::OK,
            Placed::New | Placed::Same => {
                self.print_slip(&id);
                StatusCode::CREATED
            }
        };
        let row = self.wait(&id).await?;
        Ok(reply::order(row.as_ref(), created))
    }

    /// Prints the order's packing slip. One that cannot be printed keeps no order from being charged.
    fn print_slip(&self, id: &str) {
        let slips = self.0.settings.slips.as_ref();
        if let Some(Err(error)) = slips.map(|slips| slips.print(id)) {
            telemetry::unprinted(id, &error);
        }
    }

    /// Writes the order's row, and starts its life if it is new.
    ///
    /// In a task of its own: a buyer who hangs up stops neither.
    async fn place(&self, order: NewOrder) -> Result<Placed, StoreError> {
        let (tell, told) = oneshot::channel();
        let (shop, running) = (self.clone(), self.0.drain.begin());
        tokio::spawn(async move {
            let row = Row::new(order.clone(), shop.key(&order, 1), Instant::now());
            let placed = match shop.0.orders.insert(&row).await {
                Ok(Some(held)) => {
                    // The buyer may be gone.
                    let _ = tell.send(Ok(Placed::New));
                    return shop.live(held, running).await;
                }
                Ok(None) => shop.compare(&order).await,
                Err(error) => Err(error),
            };
            let _ = tell.send(placed);
        });
        let unheard = StoreError::new(StoreErrorKind::Indeterminate, "waiting for an order's row");
        told.await.unwrap_or(Err(unheard))
    }

    /// What an order that has a row was placed for.
    async fn compare(&self, order: &NewOrder) -> Result<Placed, StoreError> {
        let row = self.orders().get(&order.id).await?;
        Ok(match row {
            Some(row) if row.order == *order => Placed::Same,
            _ => Placed::Other,
        })
    }

    /// The order's row once its charge has been tried, or as it stands when patience ends.
    async fn wait(&self, id: &str) -> Result<Option<Row>, StoreError> {
        match timeout(self.0.settings.patience, self.orders().tried(id)).await {
            Ok(row) => row,
            Err(_) => self.orders().get(id).await,
        }
    }
}
