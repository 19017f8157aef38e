//! Rows in a table of the file in which the idempotency records are.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{StoreError, StoreErrorKind, StoreFuture, Token};
use buttress_store_sqlite::SqliteStore;
use sqlx::Row as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};

use super::holds::Holds;
use super::rows::{Hold, RowStore, Stored};
use super::{Store, record};
use crate::checkout::shop::row::Row;

/// How long a call waits for a transaction of somebody else: of the idempotency store beside it.
const BUSY: Duration = Duration::from_secs(5);

const CREATE: &str = "
CREATE TABLE IF NOT EXISTS checkout_orders (
    id TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    is_final INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS checkout_orders_open ON checkout_orders (id) WHERE NOT is_final;";

/// A [`RowStore`] in one `SQLite` file, which one process has open at a time.
///
/// Every change is synced to the disk before it is acknowledged. Holds are in memory, for they end
/// with the process.
#[derive(Debug)]
pub struct SqliteRows {
    pool: SqlitePool,
    holds: Holds,
}

/// Opens the file: the records, whose lock keeps other processes out, then the rows.
pub(super) async fn open(path: &Path) -> Result<Store, StoreError> {
    let records = SqliteStore::open(path).await?;
    let rows = SqliteRows::open(path).await?;
    Ok(Store {
        rows: Arc::new(rows),
        records: Arc::new(records),
    })
}

impl SqliteRows {
    /// Opens the table in the file at `path`. Whoever opens it keeps other processes out.
    ///
    /// # Errors
    /// When the file cannot be opened, or is damaged.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(BUSY)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(4);
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(failed("opening the orders"))?;
        let created = sqlx::raw_sql(CREATE).execute(&pool).await;
        created.map_err(failed("opening the orders"))?;
        let holds = Holds::default();
        Ok(Self { pool, holds })
    }

    /// The tokens of the claims in the table of the idempotency store beside this one, and how many
    /// answers are recorded there.
    pub(super) async fn records(&self) -> Result<(BTreeSet<Vec<u8>>, u64), StoreError> {
        let query = "SELECT token FROM buttress_idempotency WHERE due IS NULL";
        let claims = sqlx::query_scalar(query).fetch_all(&self.pool);
        let claims: Vec<Vec<u8>> = claims.await.map_err(failed(READING))?;
        let query = "SELECT count(due) FROM buttress_idempotency";
        let answers = sqlx::query_scalar(query).fetch_one(&self.pool);
        let answers: i64 = answers.await.map_err(failed(READING))?;
        Ok((claims.into_iter().collect(), answers.cast_unsigned()))
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn write(&self, row: &Row, hold: Hold) -> Result<bool, StoreError> {
        let query = "INSERT INTO checkout_orders (id, revision, is_final, record) \
            VALUES (?, 1, ?, ?) ON CONFLICT DO NOTHING";
        let id = &row.order.id;
        let done = sqlx::query(query)
            .bind(id)
            .bind(row.is_final())
            .bind(record::encode(row))
            .execute(&self.pool)
            .await
            .map_err(failed(WRITING))?;
        let is_new = done.rows_affected() == 1;
        if is_new {
            self.holds.give(id, hold);
        }
        Ok(is_new)
    }

    async fn replace(&self, row: &Row, revision: u64) -> Result<bool, StoreError> {
        let query = "UPDATE checkout_orders SET revision = revision + 1, is_final = ?, record = ? \
            WHERE id = ? AND revision = ?";
        let done = sqlx::query(query)
            .bind(row.is_final())
            .bind(record::encode(row))
            .bind(&row.order.id)
            .bind(revision.cast_signed())
            .execute(&self.pool)
            .await
            .map_err(failed(WRITING))?;
        Ok(done.rows_affected() == 1)
    }

    async fn raise(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        let query = "UPDATE checkout_orders SET revision = revision + 1 WHERE id = ? \
            RETURNING revision, record";
        let query = sqlx::query(query).bind(id).fetch_optional(&self.pool);
        let found = query.await.map_err(failed(WRITING))?;
        found.map(|found| self.stored(id, &found)).transpose()
    }

    fn stored(&self, id: &str, found: &SqliteRow) -> Result<Stored, StoreError> {
        let revision: i64 = found.try_get("revision").map_err(failed(READING))?;
        Ok(Stored {
            row: read(found)?,
            revision: revision.cast_unsigned(),
            holder: self.holds.holder(id),
        })
    }
}

impl RowStore for SqliteRows {
    fn insert<'a>(&'a self, row: &'a Row, hold: Hold) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            // Before it is written, so that nobody finds it adrift in between.
            let id = &row.order.id;
            let is_mine = self.holds.take(id, hold);
            let written = self.write(row, hold).await;
            if is_mine && !matches!(written, Ok(true)) {
                self.holds.release(id, hold.holder);
            }
            written
        })
    }

    fn get<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let query = "SELECT revision, record FROM checkout_orders WHERE id = ?";
            let query = sqlx::query(query).bind(id).fetch_optional(&self.pool);
            let found = query.await.map_err(failed(READING))?;
            found.map(|found| self.stored(id, &found)).transpose()
        })
    }

    fn swap<'a>(&'a self, row: &'a Row, revision: u64) -> StoreFuture<'a, bool> {
        Box::pin(self.replace(row, revision))
    }

    fn take<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            if !self.holds.take(id, hold) {
                return Ok(None);
            }
            let taken = self.raise(id).await;
            if !matches!(taken, Ok(Some(_))) {
                self.holds.release(id, hold.holder);
            }
            taken
        })
    }

    fn renew<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Ok(self.holds.renew(id, hold))))
    }

    fn release<'a>(&'a self, id: &'a str, holder: Token) -> StoreFuture<'a, ()> {
        self.holds.release(id, holder);
        Box::pin(std::future::ready(Ok(())))
    }

    fn adrift(&self, limit: NonZeroUsize) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async move {
            let query = "SELECT id FROM checkout_orders WHERE NOT is_final ORDER BY id";
            let query = sqlx::query_scalar(query).fetch_all(&self.pool);
            let open: Vec<String> = query.await.map_err(failed(READING))?;
            let adrift = open
                .into_iter()
                .filter(|id| self.holds.holder(id).is_none());
            Ok(adrift.take(limit.get()).collect())
        })
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Row>> {
        Box::pin(async move {
            let query = "SELECT record FROM checkout_orders WHERE id > ? ORDER BY id LIMIT ?";
            let query = sqlx::query(query)
                // No id is empty.
                .bind(after.unwrap_or_default())
                .bind(i64::try_from(limit.get()).unwrap_or(i64::MAX))
                .fetch_all(&self.pool);
            query
                .await
                .map_err(failed(READING))?
                .iter()
                .map(read)
                .collect()
        })
    }
}

fn read(found: &SqliteRow) -> Result<Row, StoreError> {
    record::decode(found.try_get("record").map_err(failed(READING))?)
}

const READING: &str = "reading an order";
const WRITING: &str = "writing an order";

/// What a failure of the database means: after a write, that nobody knows.
fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| {
        let kind = match &error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreErrorKind::Corrupt,
            _ if doing == WRITING => StoreErrorKind::Indeterminate,
            _ => StoreErrorKind::Unavailable,
        };
        StoreError::new(kind, doing).caused_by(error)
    }
}
