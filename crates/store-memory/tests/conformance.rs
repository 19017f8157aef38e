//! `MemoryStore` keeps the store contract.

use buttress_store_conformance::{Stage, idempotency};
use buttress_store_memory::MemoryStore;

idempotency!(async { Stage::paused(MemoryStore::default()) });
