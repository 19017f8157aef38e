//! `SqliteStore` keeps the store contract.

use std::time::Duration;

use buttress_store_conformance::{Stage, idempotency};
use buttress_store_sqlite::SqliteStore;

idempotency!(async {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path().join("idempotency.db"))
        .await
        .unwrap();
    Stage::real(store, Duration::from_millis(400)).keeping(dir)
});
