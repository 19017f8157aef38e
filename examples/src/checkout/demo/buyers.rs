//! Buyers: they place orders over HTTP, and come back for what is pending until it is settled.

use std::sync::Arc;
use std::time::Duration;

use buttress_classify::BoxError;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How often a buyer comes back for a pending order.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a buyer orders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// Its name.
    pub id: String,
    /// In cents.
    pub amount: u64,
}

/// What a buyer was told in the end.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// For this order.
    pub order: Order,
    /// The payment, if the shop said that it was paid.
    pub payment_id: Option<String>,
    /// From placing it to being told.
    pub latency: Duration,
}

impl Order {
    /// The order of this number; no two neighbours cost the same.
    #[must_use]
    pub fn number(number: u32) -> Self {
        Self {
            id: format!("order-{number:04}"),
            amount: 1_000 + u64::from(number) * 7 % 9_000,
        }
    }
}

/// Places all orders at `shop`, `concurrency` at a time, and returns what each buyer was told, in no
/// particular order. Nobody waits for an order longer than `patience`. `settled` sees each receipt.
pub async fn place_all(
    shop: &str,
    orders: Vec<Order>,
    concurrency: u32,
    patience: Duration,
    settled: impl Fn(&Receipt),
) -> Vec<Receipt> {
    let counters = Arc::new(Semaphore::new(
        usize::try_from(concurrency).unwrap_or(usize::MAX),
    ));
    let browser = Browser::new();
    let mut buyers = JoinSet::new();
    for order in orders {
        let (shop, browser, counters) = (shop.to_owned(), browser.clone(), Arc::clone(&counters));
        buyers.spawn(async move {
            let counter = counters.acquire_owned().await.ok();
            let placed = Instant::now();
            let bought = timeout(patience, buy(&browser, &shop, &order, counter)).await;
            Receipt {
                order,
                payment_id: bought.ok().and_then(Result::ok).flatten(),
                latency: placed.elapsed(),
            }
        });
    }
    let mut receipts = Vec::new();
    while let Some(receipt) = buyers.join_next().await {
        if let Ok(receipt) = receipt {
            settled(&receipt);
            receipts.push(receipt);
        }
    }
    receipts
}

/// Buys, and returns the payment; `None` when the shop says that there will be none.
async fn buy(
    browser: &Browser,
    shop: &str,
    order: &Order,
    counter: Option<OwnedSemaphorePermit>,
) -> Result<Option<String>, BoxError> {
    let body = json!({"order_id": order.id, "amount": order.amount, "currency": "usd"});
    let (mut status, headers, mut answer) = browser.post(&format!("{shop}/orders"), &body).await?;
    // Held until the shop has answered, not until the order is settled.
    drop(counter);
    let location = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok());
    let location = format!("{shop}{}", location.unwrap_or_default());
    while status == StatusCode::ACCEPTED {
        sleep(LOOK_AGAIN).await;
        (status, answer) = browser.get(&location).await?;
    }
    Ok(answer["payment_id"].as_str().map(str::to_owned))
}

/// A plain HTTP client for JSON, without any layer.
#[derive(Clone, Debug)]
pub(super) struct Browser(Client<HttpConnector, Full<Bytes>>);

impl Browser {
    pub(super) fn new() -> Self {
        Self(
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build_http(),
        )
    }

    pub(super) async fn get(&self, url: &str) -> Result<(StatusCode, Value), BoxError> {
        let request = Request::get(url).body(Full::default())?;
        self.send(request)
            .await
            .map(|(status, _, body)| (status, body))
    }

    pub(super) async fn post(
        &self,
        url: &str,
        body: &Value,
    ) -> Result<(StatusCode, HeaderMap, Value), BoxError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))?;
        self.send(request).await
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, HeaderMap, Value), BoxError> {
        let (head, body) = self.0.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok((head.status, head.headers, serde_json::from_slice(&body)?))
    }
}
