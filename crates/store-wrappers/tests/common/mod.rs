//! What the tests of wrappers share.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey, Settled,
    StoredResponse, Token,
};
use http::{HeaderMap, HeaderValue, StatusCode};

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn key(name: &str) -> RecordKey {
    RecordKey::derive(&[name.as_bytes()])
}

pub(crate) fn request(name: &str) -> BeginRequest {
    BeginRequest {
        key: key(name),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: LEASE,
        retention: DAY,
        orphan: OrphanPolicy::ReExecute,
    }
}

pub(crate) fn secret_answer() -> StoredResponse {
    let mut headers = HeaderMap::new();
    headers.append("x-secret-header", HeaderValue::from_static("secret-value"));
    StoredResponse::new(StatusCode::OK, &headers, b"secret-body")
}

pub(crate) async fn claim(store: &impl IdempotencyStore, name: &str) -> Claim {
    match store.begin(request(name)).await.unwrap() {
        Begin::Acquired(claim) => claim,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn complete(
    store: &impl IdempotencyStore,
    name: &str,
    response: &StoredResponse,
    retention: Duration,
) {
    let claim = claim(store, name).await;
    let settled = store.complete(&claim, response, retention).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
}

pub(crate) async fn answer(store: &impl IdempotencyStore, name: &str) -> Option<StoredResponse> {
    match store.begin(request(name)).await.unwrap() {
        Begin::Completed { response, .. } => Some(response),
        _ => None,
    }
}
