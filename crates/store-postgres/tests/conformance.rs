//! `PostgresStore` keeps the store contract, directly and behind a pooler.

mod server;

use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::Duration;

use buttress_store::IdempotencyStore;
use buttress_store_conformance::{Clock, Stage, idempotency};
use buttress_store_postgres::PostgresStore;
use server::{Pooler, Server};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool};

/// Waits are real, and time that passes is not: see [`Shift`].
const LEASE: Duration = Duration::from_secs(4);

/// Lets time pass by moving all that is stored into the past.
struct Shift(PgPool);

impl Clock for Shift {
    fn adds_up(&self) -> bool {
        true
    }

    fn pass(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let micros = time.as_micros();
        let past = format!("- {micros} * interval '1 microsecond'");
        let text = format!(
            "UPDATE buttress_idempotency SET begun = begun {past}, lease_end = lease_end {past}, \
             due = due {past}"
        );
        Box::pin(async move {
            let query = sqlx::raw_sql(AssertSqlSafe(text));
            query.execute(&self.0).await.unwrap();
        })
    }
}

/// A store in a schema of its own, whose role leads there.
async fn store(options: PgConnectOptions) -> PostgresStore {
    let role = Server::shared().role().await;
    let connections = NonZeroU32::MIN.saturating_add(3);
    PostgresStore::connect(options.username(&role), connections)
}

async fn stage(store: PostgresStore) -> Stage {
    store.migrate().await.unwrap();
    let clock = Shift(store.pool().clone());
    Stage::real(store, LEASE).with_clock(clock)
}

/// On a direct connection, woken by a listener.
mod direct {
    use super::*;

    idempotency!(async {
        let server = Server::shared();
        let store = store(server.options()).await;
        let listener = tokio::spawn(store.listener(server.options()).run());
        server::until(|| store.capabilities().wakes).await;
        stage(store).await.keeping(listener)
    });
}

/// Through a pooler that gives each transaction another connection; those who wait poll.
mod pooled {
    use super::*;

    idempotency!(async {
        let store = store(Pooler::shared().options()).await;
        stage(store.unprepared()).await
    });
}
