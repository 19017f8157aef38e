//! The one place where order rows and idempotency records are kept.
//!
//! ```text
//! location     `memory:`, `sqlite:PATH`, `postgres://…`, `redis://…`: where that is, as people write it
//! rows         the law of order rows, for backends: compare-and-set, and holds
//!   record       a row as text, the same in every backend
//!   holds        holds in the memory of the one process that has the rows
//!   memory, sqlite, postgres, redis
//! census       what is in a store while nobody has it open
//! ```
//!
//! # How a backend is added
//!
//! 1. A feature of this package that brings the [`IdempotencyStore`] of the backend's own crate.
//! 2. A file here that implements [`RowStore`], whose documentation is the law. What is stored of a
//!    row is one text, [`record::encode`]; the rest of a backend's columns are the order's id, a
//!    revision, whether the order is [final](super::row::Row::is_final), and, where several
//!    processes share the rows, who holds it and until when *by the backend's clock*.
//! 3. A variant of [`Location`] behind the feature: how it is written, how it is opened, and what is
//!    counted there after a crash.
//! 4. If it is a file: an arm in `demo/place.rs`, where a run with crashes finds what outlives it.
//! 5. `store/tests.rs` runs the law against every backend: one line there.
//!
//! Nothing else knows which backend it is.

mod census;
mod holds;
mod location;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
pub mod record;
#[cfg(feature = "redis")]
mod redis;
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod url;

use std::fmt;
use std::sync::Arc;

use buttress_store::IdempotencyStore;
use buttress_store_memory::MemoryStore;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresRows;
#[cfg(feature = "redis")]
pub use self::redis::RedisRows;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteRows;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub use self::url::Url;
pub use self::{
    census::Census,
    location::{Location, NoLocation},
    memory::MemoryRows,
    rows::{Hold, RowStore, Stored},
};

/// Order rows, and the idempotency records of the requests that placed them.
#[derive(Clone)]
pub struct Store {
    /// The rows.
    pub rows: Arc<dyn RowStore>,
    /// The records.
    pub records: Arc<dyn IdempotencyStore>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Default for Store {
    /// In memory: it ends with the process.
    fn default() -> Self {
        Self {
            rows: Arc::new(MemoryRows::default()),
            records: Arc::new(MemoryStore::default()),
        }
    }
}
