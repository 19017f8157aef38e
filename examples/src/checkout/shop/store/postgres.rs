//! Rows in a table of the database in which the idempotency records are.

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use buttress_store::{StoreError, StoreErrorKind, StoreFuture, Token};
use buttress_store_postgres::PostgresStore;
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgRow};
use tokio::task::JoinHandle;

use super::rows::{Hold, RowStore, Stored};
use super::{Store, Url, record};
use crate::checkout::shop::row::Row;

/// Of one process, for rows and records together.
const CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);

/// The lock keeps apart processes that start together.
const CREATE: &str = "
SELECT pg_advisory_xact_lock(7021795532861964802);
CREATE TABLE IF NOT EXISTS checkout_orders (
    id text COLLATE \"C\" PRIMARY KEY,
    revision bigint NOT NULL,
    is_final boolean NOT NULL,
    record text NOT NULL,
    holder bytea,
    held_until timestamptz
);
CREATE INDEX IF NOT EXISTS checkout_orders_open ON checkout_orders (id) WHERE NOT is_final;";

/// Whether this names a database.
pub(super) fn understands(url: &str) -> bool {
    url.parse::<PgConnectOptions>().is_ok()
}

/// A [`RowStore`] in a `PostgreSQL` database, which any number of processes share.
#[derive(Debug)]
pub struct PostgresRows {
    pool: PgPool,
    /// Wakes those who wait for an answer of another process.
    listening: JoinHandle<()>,
}

impl Drop for PostgresRows {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Opens the database, and creates the tables that are not there.
pub(super) async fn open(url: &Url) -> Result<Store, StoreError> {
    let (rows, records) = PostgresRows::open(url).await?;
    Ok(Store {
        rows: Arc::new(rows),
        records: Arc::new(records),
    })
}

impl PostgresRows {
    /// The rows, and the records that share their connections.
    ///
    /// # Errors
    /// When the database cannot be reached, or the role may not create tables.
    pub async fn open(url: &Url) -> Result<(Self, PostgresStore), StoreError> {
        let options = url.secret().parse();
        let options: PgConnectOptions = options.map_err(failed("opening the orders"))?;
        let records = PostgresStore::connect(options.clone(), CONNECTIONS);
        records.migrate().await?;
        let pool = records.pool().clone();
        let created = sqlx::raw_sql(CREATE).execute(&pool).await;
        created.map_err(failed("opening the orders"))?;
        let listener = records.listener(options);
        let listening = tokio::spawn(async move { match listener.run().await {} });
        Ok((Self { pool, listening }, records))
    }

    /// The tokens of the claims among the idempotency records, and how many answers are there.
    pub(super) async fn records(&self) -> Result<(BTreeSet<Vec<u8>>, u64), StoreError> {
        let query = "SELECT token FROM buttress_idempotency WHERE response IS NULL";
        let claims = sqlx::query_scalar(query).fetch_all(&self.pool);
        let claims: Vec<Vec<u8>> = claims.await.map_err(failed(READING))?;
        let query = "SELECT count(response) FROM buttress_idempotency";
        let answers = sqlx::query_scalar(query).fetch_one(&self.pool);
        let answers: i64 = answers.await.map_err(failed(READING))?;
        Ok((claims.into_iter().collect(), answers.cast_unsigned()))
    }

    pub(super) async fn close(&self) {
        self.listening.abort();
        self.pool.close().await;
    }
}

impl RowStore for PostgresRows {
    fn insert<'a>(&'a self, row: &'a Row, hold: Hold) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = "INSERT INTO checkout_orders \
                (id, revision, is_final, record, holder, held_until) VALUES \
                ($1, 1, $2, $3, $4, clock_timestamp() + $5 * interval '1 microsecond') \
                ON CONFLICT DO NOTHING";
            let done = sqlx::query(query)
                .bind(&row.order.id)
                .bind(row.is_final())
                .bind(record::encode(row))
                .bind(&hold.holder.as_bytes()[..])
                .bind(micros(hold))
                .execute(&self.pool)
                .await
                .map_err(failed(WRITING))?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn get<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let query = "SELECT revision, record, \
                CASE WHEN held_until > clock_timestamp() THEN holder END AS holder \
                FROM checkout_orders WHERE id = $1";
            let query = sqlx::query(query).bind(id).fetch_optional(&self.pool);
            let found = query.await.map_err(failed(READING))?;
            found.as_ref().map(stored).transpose()
        })
    }

    fn swap<'a>(&'a self, row: &'a Row, revision: u64) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = "UPDATE checkout_orders SET revision = revision + 1, is_final = $1, \
                record = $2 WHERE id = $3 AND revision = $4";
            let done = sqlx::query(query)
                .bind(row.is_final())
                .bind(record::encode(row))
                .bind(&row.order.id)
                .bind(revision.cast_signed())
                .execute(&self.pool)
                .await
                .map_err(failed(WRITING))?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn take<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let query = "UPDATE checkout_orders SET revision = revision + 1, holder = $2, \
                held_until = clock_timestamp() + $3 * interval '1 microsecond' \
                WHERE id = $1 AND (held_until IS NULL OR held_until <= clock_timestamp()) \
                RETURNING revision, record, holder";
            let query = sqlx::query(query)
                .bind(id)
                .bind(&hold.holder.as_bytes()[..])
                .bind(micros(hold))
                .fetch_optional(&self.pool);
            let taken = query.await.map_err(failed(WRITING))?;
            taken.as_ref().map(stored).transpose()
        })
    }

    fn renew<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = "UPDATE checkout_orders SET \
                held_until = clock_timestamp() + $3 * interval '1 microsecond' \
                WHERE id = $1 AND holder = $2";
            let done = sqlx::query(query)
                .bind(id)
                .bind(&hold.holder.as_bytes()[..])
                .bind(micros(hold))
                .execute(&self.pool)
                .await
                .map_err(failed(WRITING))?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn release<'a>(&'a self, id: &'a str, holder: Token) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let query = "UPDATE checkout_orders SET holder = NULL, held_until = NULL \
                WHERE id = $1 AND holder = $2";
            let query = sqlx::query(query).bind(id).bind(&holder.as_bytes()[..]);
            let done = query.execute(&self.pool).await;
            done.map(drop).map_err(failed(WRITING))
        })
    }

    fn adrift(&self, limit: NonZeroUsize) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async move {
            let query = "SELECT id FROM checkout_orders WHERE NOT is_final \
                AND (held_until IS NULL OR held_until <= clock_timestamp()) ORDER BY id LIMIT $1";
            let query = sqlx::query_scalar(query).bind(number(limit));
            let adrift = query.fetch_all(&self.pool).await;
            adrift.map_err(failed(READING))
        })
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Row>> {
        Box::pin(async move {
            let query = "SELECT record FROM checkout_orders WHERE id > $1 ORDER BY id LIMIT $2";
            let query = sqlx::query(query)
                // No id is empty.
                .bind(after.unwrap_or_default())
                .bind(number(limit))
                .fetch_all(&self.pool);
            let page = query.await.map_err(failed(READING))?;
            page.iter().map(read).collect()
        })
    }
}

fn stored(found: &PgRow) -> Result<Stored, StoreError> {
    let revision: i64 = found.try_get("revision").map_err(failed(READING))?;
    let holder: Option<Vec<u8>> = found.try_get("holder").map_err(failed(READING))?;
    let holder = holder.map(|bytes| {
        let bytes = bytes.as_slice().try_into();
        bytes
            .map(Token::from_bytes)
            .map_err(|error| StoreError::new(StoreErrorKind::Corrupt, READING).caused_by(error))
    });
    Ok(Stored {
        row: read(found)?,
        revision: revision.cast_unsigned(),
        holder: holder.transpose()?,
    })
}

fn read(found: &PgRow) -> Result<Row, StoreError> {
    record::decode(found.try_get("record").map_err(failed(READING))?)
}

fn micros(hold: Hold) -> i64 {
    i64::try_from(hold.lease.as_micros()).unwrap_or(i64::MAX)
}

fn number(limit: NonZeroUsize) -> i64 {
    i64::try_from(limit.get()).unwrap_or(i64::MAX)
}

const READING: &str = "reading an order";
const WRITING: &str = "writing an order";

/// What a failure of the database means: after a write, that nobody knows.
fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| {
        let kind = match &error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreErrorKind::Corrupt,
            sqlx::Error::PoolTimedOut => StoreErrorKind::Unavailable,
            _ if doing == WRITING => StoreErrorKind::Indeterminate,
            _ => StoreErrorKind::Unavailable,
        };
        StoreError::new(kind, doing).caused_by(error)
    }
}
