use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, Durability, IdempotencyStore, RecordKey, Resolution,
    Settled, StoreError, StoreFuture, StoredResponse, Unknown,
};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Postgres};
use tokio::time::{Instant, timeout};

use crate::failure::{failed, unreachable};
use crate::hub::Hub;
use crate::records::Records;
use crate::statement::{Protocol, Value};
use crate::{Listener, row, sql};

/// The first pause of one who waits and is not woken; each further one is twice as long.
const FIRST_POLL: Duration = Duration::from_millis(20);
const LONGEST_POLL: Duration = Duration::from_millis(500);
/// How long a call waits for a connection of the store's own pool.
const ACQUIRE: Duration = Duration::from_secs(2);
/// How long a connection is trusted without a test.
const UNTESTED: Duration = Duration::from_secs(1);
/// How often one who is woken looks all the same, for a notification may be lost.
const FALLBACK_POLL: Duration = Duration::from_secs(2);

/// An [`IdempotencyStore`] in a `PostgreSQL` database, shared by any number of processes.
///
/// Clones share the pool, and those who wait.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    protocol: Protocol,
    hub: Arc<Hub>,
}

impl PostgresStore {
    /// The records in the database that `pool` connects to. Connects to nothing yet.
    ///
    /// The schema must be there: see [`migrate`](Self::migrate).
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            protocol: Protocol::Prepared,
            hub: Arc::default(),
        }
    }

    /// A pool of its own, of at most `connections`, made one by one as they are needed.
    ///
    /// A connection that has been idle for a second is tested before it is used, and one that is
    /// busy is not: a call is one round trip. A call waits for a connection for 2 seconds at most, be
    /// the server down or the pool busy. Statements are not logged.
    #[must_use]
    pub fn connect(options: PgConnectOptions, connections: NonZeroU32) -> Self {
        let options = options.extra_float_digits(None).disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(connections.get())
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(|connection, idle| {
                Box::pin(async move {
                    let fresh = idle.idle_for < UNTESTED;
                    Ok(fresh || connection.ping().await.is_ok())
                })
            });
        Self::new(pool.connect_lazy_with(options))
    }

    /// The same without prepared statements: for a pooler that gives each transaction another
    /// connection. Default: statements are prepared, once for each connection.
    ///
    /// Each statement is then one text, parsed anew by the server, and still one round trip.
    #[must_use]
    pub fn unprepared(mut self) -> Self {
        self.protocol = Protocol::Simple;
        self
    }

    /// Creates the table and its indexes where they are not there, in the first schema of the
    /// connection's search path.
    ///
    /// Any number of processes may do so at once. Where all is there it changes nothing and waits
    /// for nobody but another migration.
    ///
    /// # Errors
    ///
    /// Any kind; [`Unavailable`](buttress_store::StoreErrorKind::Unavailable) as well when the role
    /// may not create tables.
    ///
    /// # Cancel safety
    ///
    /// It then happened or did not.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        // Several statements in one text are one transaction.
        let mut text = sql::MIGRATION_LOCK.to_owned();
        for migration in sql::MIGRATIONS {
            text.push(';');
            text.push_str(migration);
        }
        let mut connection = self.acquire().await?;
        let query = sqlx::raw_sql(AssertSqlSafe(text));
        let done = connection.execute(query).await;
        done.map(drop).map_err(|error| failed("migrating", error))
    }

    /// A listener that wakes those who wait, to be spawned. `options` say how the server is reached
    /// directly, past any transaction-mode pooler.
    pub fn listener(&self, options: PgConnectOptions) -> Listener {
        Listener::new(options, Arc::clone(&self.hub))
    }

    /// What the records are reached by.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn wake(&self, key: &RecordKey) {
        self.hub.wake(key);
    }

    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(unreachable)
    }

    async fn ask(
        &self,
        doing: &'static str,
        text: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<sqlx::postgres::PgRow>, StoreError> {
        let mut connection = self.acquire().await?;
        let mut records = Records::new(&mut connection, self.protocol);
        records.ask(doing, text, values).await
    }

    async fn poll_until_settled(&self, key: &RecordKey, limit: Duration) -> Result<(), StoreError> {
        let begun = Instant::now();
        let place = self.hub.join(*key);
        let mut pause = FIRST_POLL;
        loop {
            let mut changed = pin!(place.changed.notified());
            changed.as_mut().enable();
            let listening = self.hub.is_listening();
            let values = [Value::Bytes(key.as_bytes()), Value::Flag(listening)];
            let rows = self.ask("waiting", sql::WAIT, &values).await?;
            let Some(row) = rows.first() else {
                return Ok(());
            };
            let (lease_left, told) = row::waiting(row)?;
            let limit_left = limit.saturating_sub(begun.elapsed());
            let poll = if listening && told {
                FALLBACK_POLL
            } else if listening {
                // It changed between the look and the mark.
                Duration::ZERO
            } else {
                pause = (pause * 2).min(LONGEST_POLL);
                pause / 2
            };
            // Those who wait for the same key do not all look at once.
            let poll = poll.mul_f64(0.5 + fastrand::f64() / 2.0);
            let sleep = poll.min(lease_left).min(limit_left);
            if timeout(sleep, changed).await.is_ok() || begun.elapsed() >= limit {
                return Ok(());
            }
        }
    }
}

impl IdempotencyStore for PostgresStore {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        Box::pin(async move {
            let mut connection = self.acquire().await?;
            Records::new(&mut connection, self.protocol)
                .begin(&request)
                .await
        })
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let mut connection = self.acquire().await?;
            let mut records = Records::new(&mut connection, self.protocol);
            let settled = records.complete(claim, response, retention).await;
            self.wake(claim.key());
            settled
        })
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let mut connection = self.acquire().await?;
            Records::new(&mut connection, self.protocol)
                .renew(claim, lease)
                .await
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let mut connection = self.acquire().await?;
            let mut records = Records::new(&mut connection, self.protocol);
            let settled = records.release(claim).await;
            self.wake(claim.key());
            settled
        })
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let mut connection = self.acquire().await?;
            let mut records = Records::new(&mut connection, self.protocol);
            let settled = records.adopt(key, resolution).await;
            self.wake(key);
            settled
        })
    }

    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        Box::pin(async move {
            let after = after.map_or(&[][..], |key| key.as_bytes());
            let values = [Value::Bytes(after), number(limit)];
            let rows = self.ask("listing unknowns", sql::UNKNOWNS, &values).await?;
            rows.iter().map(row::unknown).collect()
        })
    }

    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(self.poll_until_settled(key, limit))
    }

    /// Skips what others have locked: they purge it, or begin it anew.
    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        Box::pin(async move {
            let purged = self.ask("purging", sql::PURGE, &[number(limit)]).await?;
            Ok(purged.len())
        })
    }

    /// Loss of power is survived as long as the server's `fsync` and `synchronous_commit` are on, as
    /// they are by default. Those who wait are woken while a [`Listener`] hears.
    fn capabilities(&self) -> Capabilities {
        let able = Capabilities::new(Durability::PowerLoss).shared();
        if self.hub.is_listening() {
            able.waking()
        } else {
            able
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("protocol", &self.protocol)
            .field("listening", &self.hub.is_listening())
            .finish_non_exhaustive()
    }
}

fn number(limit: NonZeroUsize) -> Value<'static> {
    Value::Number(i64::try_from(limit.get()).unwrap_or(i64::MAX))
}
