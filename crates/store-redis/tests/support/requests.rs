//! What tests begin and complete with.

use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Fingerprint, IdempotencyStore, OrphanPolicy, RecordKey,
    StoredResponse, Token,
};
use buttress_store_redis::RedisStore;
use http::{HeaderMap, StatusCode};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longer than a test lasts.
pub(crate) const LONG: Duration = Duration::from_secs(60 * 60);

pub(crate) fn request(name: &str) -> BeginRequest {
    BeginRequest {
        key: RecordKey::derive(&[name.as_bytes()]),
        fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
        token: Token::random().unwrap(),
        lease: LONG,
        retention: DAY,
        orphan: OrphanPolicy::ReExecute,
    }
}

pub(crate) fn refusing(name: &str) -> BeginRequest {
    BeginRequest {
        orphan: OrphanPolicy::Refuse,
        ..request(name)
    }
}

pub(crate) fn answer(body: &str) -> StoredResponse {
    StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), body.as_bytes())
}

pub(crate) async fn claim(store: &RedisStore, request: BeginRequest) -> Claim {
    match store.begin(request).await.unwrap() {
        Begin::Acquired(claim) => claim,
        other => panic!("not acquired: {other:?}"),
    }
}

pub(crate) fn is_in_progress(begin: &Begin) -> bool {
    matches!(begin, Begin::InProgress { .. })
}

/// The answer that somebody else finds.
pub(crate) async fn found(store: &RedisStore, name: &str) -> StoredResponse {
    match store.begin(request(name)).await.unwrap() {
        Begin::Completed { response, .. } => response,
        other => panic!("not completed: {other:?}"),
    }
}
