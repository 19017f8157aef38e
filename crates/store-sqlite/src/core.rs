use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{Record, RecordKey, StoreError};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor};

use crate::batch::{Answer, Call, Operation, Records};
use crate::claims::Claims;
use crate::clock::Clock;
use crate::failure::{Failure, reading};
use crate::lock::FileLock;
use crate::sql::Texts;
use crate::{row, sql, telemetry};

/// How much a commit waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Synchronous {
    /// The log is written: survives the process.
    Normal,
    /// The log is synced: survives the machine.
    Full,
}

/// The connection that alone writes, and what it needs. Whoever holds it has the database to itself.
#[derive(Debug)]
pub(crate) struct Core {
    connection: SqliteConnection,
    claims: Arc<Claims>,
    clock: Clock,
    synchronous: Synchronous,
    texts: Texts,
    broken: Option<StoreError>,
    lock: FileLock,
}

impl Core {
    /// The connection must be at `synchronous=FULL`.
    pub(crate) fn new(
        connection: SqliteConnection,
        claims: Arc<Claims>,
        clock: Clock,
        lock: FileLock,
    ) -> Self {
        Self {
            connection,
            claims,
            clock,
            synchronous: Synchronous::Full,
            texts: Texts::default(),
            broken: None,
            lock,
        }
    }

    /// Carries out a batch of calls in one transaction, and answers them.
    pub(crate) async fn run(mut self: Box<Self>, batch: Vec<Call>) -> Box<Self> {
        if let Some(broken) = &self.broken {
            for call in batch {
                let _ = call.reply.send(Err(broken.clone()));
            }
            return self;
        }
        let mut records = self.load(&batch).await;
        let now = self.clock.now();
        let mut answers = Vec::with_capacity(batch.len());
        for call in batch {
            let answer = records.take_step(&call.operation, now);
            answers.push((call, answer));
        }
        let written = self.write(&records).await;
        if written.is_ok() {
            for (key, record) in records.changes() {
                self.claims.set(*key, record);
            }
        }
        for (Call { operation, reply }, answer) in answers {
            let doubtful = operation.key().is_some_and(|key| records.has_changed(key));
            let result = match (answer, &written, &operation) {
                (Some(_), Err(error), _) if doubtful => Err(error.clone()),
                (Some(answer), ..) => answer,
                (None, _, Operation::Purge(limit)) => {
                    self.purge(*limit, now).await.map(Answer::Purged)
                }
                // Each operation but a purge has a key, and each key was loaded.
                (None, ..) => continue,
            };
            // Whoever has gone finds the record as it is.
            let _ = reply.send(result);
        }
        self
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        let closed = self.connection.close().await;
        drop(self.lock);
        closed.map_err(|error| Failure::writing(error).error)
    }

    /// What the connection says of itself.
    #[cfg(test)]
    pub(crate) async fn level(&mut self) -> i64 {
        use sqlx::Row;
        let found = rows(&mut self.connection, "PRAGMA synchronous".to_owned()).await;
        found.unwrap()[0].get(0)
    }

    /// Claims come from memory; everything else is asked in one query.
    async fn load(&mut self, batch: &[Call]) -> Records {
        let mut records = Records::default();
        let mut missing = BTreeSet::new();
        for key in batch.iter().filter_map(|call| call.operation.key()) {
            if records.contains(key) {
                continue;
            }
            match self.claims.get(key) {
                Some(record) => records.found(*key, Ok(Some(record))),
                None => {
                    missing.insert(*key);
                }
            }
        }
        if missing.is_empty() {
            return records;
        }
        if let Err(error) = self.select(&missing, &mut records).await {
            if missing.len() == 1 {
                for key in missing {
                    records.found(key, Err(error.clone()));
                }
                return records;
            }
            // One damaged page must not fail those who ask about other records.
            for key in missing {
                let one = BTreeSet::from([key]);
                if let Err(error) = self.select(&one, &mut records).await {
                    records.found(key, Err(error));
                }
            }
        }
        records
    }

    async fn select(
        &mut self,
        keys: &BTreeSet<RecordKey>,
        records: &mut Records,
    ) -> Result<(), StoreError> {
        let mut arguments = SqliteArguments::default();
        for key in keys {
            add(&mut arguments, &key.as_bytes()[..]).map_err(reading)?;
        }
        let text = self.texts.select(keys.len());
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let rows = self.connection.fetch_all(query).await.map_err(reading)?;
        for key in keys {
            records.found(*key, Ok(None));
        }
        for found in &rows {
            let (key, record) = row::read(found)?;
            records.found(key, record.map(Some));
        }
        Ok(())
    }

    async fn write(&mut self, records: &Records) -> Result<(), StoreError> {
        let changes = records.changes();
        if changes.is_empty() {
            return Ok(());
        }
        let written = self.try_write(&changes, records.is_durable()).await;
        self.settle(written).await
    }

    async fn try_write(
        &mut self,
        changes: &[(&RecordKey, Option<&Record>)],
        durable: bool,
    ) -> Result<(), sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        let (mut puts, mut deletes) = (0, 0);
        for (key, record) in changes {
            if let Some(record) = record {
                puts += 1;
                row::write(&mut arguments, key, record).map_err(sqlx::Error::Encode)?;
            }
        }
        for (key, record) in changes {
            if record.is_none() {
                deletes += 1;
                add(&mut arguments, &key.as_bytes()[..])?;
            }
        }
        self.synchronize(if durable {
            Synchronous::Full
        } else {
            Synchronous::Normal
        })
        .await?;
        let text = self.texts.write(puts, deletes);
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        self.connection.execute(query).await?;
        Ok(())
    }

    /// A pragma of this kind takes effect when it is compiled, so it is compiled each time.
    async fn synchronize(&mut self, wanted: Synchronous) -> Result<(), sqlx::Error> {
        if self.synchronous != wanted {
            let pragma = match wanted {
                Synchronous::Normal => "PRAGMA synchronous = NORMAL",
                Synchronous::Full => "PRAGMA synchronous = FULL",
            };
            self.connection.execute(sqlx::raw_sql(pragma)).await?;
            self.synchronous = wanted;
        }
        Ok(())
    }

    /// After a failed write, back to no transaction, or to no database at all.
    async fn settle(&mut self, written: Result<(), sqlx::Error>) -> Result<(), StoreError> {
        let Err(error) = written else {
            return Ok(());
        };
        let Failure { error, mut broken } = Failure::writing(error);
        if broken.is_none() {
            // Fails when SQLite has rolled back by itself; a transaction still open shows at the
            // next `BEGIN`.
            let rollback = sqlx::raw_sql("ROLLBACK");
            if let Err(sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed) =
                self.connection.execute(rollback).await
            {
                broken = Some(error.clone());
            }
        }
        if let Some(broken) = broken {
            telemetry::broken(&broken);
            self.broken = Some(broken);
        }
        Err(error)
    }

    async fn purge(&mut self, limit: usize, now: Duration) -> Result<usize, StoreError> {
        let claims = self.claims.expired(now, limit);
        let mut arguments = SqliteArguments::default();
        for key in &claims {
            let added = add(&mut arguments, &key.as_bytes()[..]);
            self.settle(added).await?;
        }
        if !claims.is_empty() {
            let text = self.texts.write(0, claims.len());
            let query = sqlx::query_with(AssertSqlSafe(text), arguments);
            let deleted = self.connection.execute(query).await.map(drop);
            self.settle(deleted).await?;
            for key in &claims {
                self.claims.set(*key, None);
            }
        }
        let rest = i64::try_from(limit - claims.len()).unwrap_or(i64::MAX);
        let query = sqlx::query(sql::PURGE).bind(row::nanos(now)).bind(rest);
        match self.connection.execute(query).await {
            Ok(done) => {
                let answers = usize::try_from(done.rows_affected()).unwrap_or(usize::MAX);
                Ok(claims.len().saturating_add(answers))
            }
            Err(error) => {
                self.settle(Err(error)).await?;
                Ok(claims.len())
            }
        }
    }
}

/// Rows of a statement that is run once.
pub(crate) async fn rows(
    connection: &mut SqliteConnection,
    text: String,
) -> Result<Vec<SqliteRow>, StoreError> {
    let query = sqlx::raw_sql(AssertSqlSafe(text));
    connection.fetch_all(query).await.map_err(reading)
}

fn add(arguments: &mut SqliteArguments, bytes: &[u8]) -> Result<(), sqlx::Error> {
    arguments.add(bytes).map_err(sqlx::Error::Encode)
}
