//! What became of deliveries.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Response;
use serde_json::{Value, json};

#[derive(Debug, Default)]
pub(in crate::checkout::shop) struct Tally {
    accepted: AtomicU64,
    duplicate: AtomicU64,
    refused: AtomicU64,
    put_off: AtomicU64,
}

/// What became of all deliveries of webhooks so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Deliveries {
    /// Verified, and heard.
    pub accepted: u64,
    /// Verified, and heard before.
    pub duplicate: u64,
    /// Not verified, or too large.
    pub refused: u64,
    /// To be sent again: the same one is being heard, or the shop could not record it, or a key could not be had.
    pub put_off: u64,
}

impl Tally {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what a layer answered without the handler.
    pub(super) fn answered<B>(&self, response: &Response<B>) {
        let status = response.status();
        let counter = if status.is_client_error() {
            &self.refused
        } else if status.is_server_error() {
            &self.put_off
        } else if response.headers().contains_key("idempotent-replayed") {
            &self.duplicate
        } else {
            return;
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::checkout::shop) fn read(&self) -> Deliveries {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Deliveries {
            accepted: count(&self.accepted),
            duplicate: count(&self.duplicate),
            refused: count(&self.refused),
            put_off: count(&self.put_off),
        }
    }
}

impl Deliveries {
    pub(in crate::checkout::shop) fn to_json(self) -> Value {
        json!({
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "refused": self.refused,
            "put_off": self.put_off,
        })
    }
}
