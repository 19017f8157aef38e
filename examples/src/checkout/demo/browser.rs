//! A plain HTTP client for JSON, without any layer.

use buttress_classify::BoxError;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;

/// The client; clones share its connections.
#[derive(Clone, Debug)]
pub(super) struct Browser(Client<HttpConnector, Full<Bytes>>);

/// An answer with all of its body.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    headers: HeaderMap,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self(
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build_http(),
        )
    }

    pub(super) async fn get(&self, url: &str) -> Result<Page, BoxError> {
        self.send(Request::get(url).body(Full::default())?).await
    }

    /// Posts `body`, under an idempotency key if there is one.
    pub(super) async fn post(
        &self,
        url: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Page, BoxError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(Full::from(body.to_string()))?).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Page, BoxError> {
        let (head, body) = self.0.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Page {
            status: head.status,
            body: serde_json::from_slice(&body)?,
            headers: head.headers,
        })
    }
}

impl Page {
    /// Where what is pending is to be looked for.
    pub(super) fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// Whether it is the answer that an earlier request with the same key was given.
    pub(super) fn is_replay(&self) -> bool {
        let marker = self.headers.get("idempotent-replayed");
        marker.is_some_and(|marker| marker == "true")
    }

    /// In how many seconds to come back.
    pub(super) fn retry_after(&self) -> Option<u64> {
        self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()
    }

    /// Whether another page says the same.
    pub(super) fn says_what(&self, other: &Self) -> bool {
        (self.status, &self.body) == (other.status, &other.body)
    }
}
