use std::sync::Arc;
use std::time::Duration;

use buttress_store::{RecordKey, StoreError, StoreErrorKind};
use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor};

use crate::batch::{Answer, Call, Change, Operation, Records};
use crate::claims::Claims;
use crate::clock::Clock;
use crate::failure::{Failure, reading};
use crate::lock::FileLock;
use crate::sql::{Shape, Texts};
use crate::tally::Tally;
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
    pub(crate) connection: SqliteConnection,
    pub(crate) claims: Arc<Claims>,
    clock: Clock,
    synchronous: Synchronous,
    pub(crate) texts: Texts,
    broken: Option<StoreError>,
    tally: Tally,
    lock: FileLock,
}

impl Core {
    /// The connection must be at `synchronous=FULL`.
    pub(crate) fn new(
        connection: SqliteConnection,
        claims: Arc<Claims>,
        clock: Clock,
        tally: Tally,
        lock: FileLock,
    ) -> Self {
        Self {
            connection,
            claims,
            clock,
            synchronous: Synchronous::Full,
            texts: Texts::default(),
            broken: None,
            tally,
            lock,
        }
    }

    /// Carries out a batch of calls in one transaction, and answers them.
    ///
    /// Most keys that begin were never seen before. So a key that is not in progress is taken for
    /// absent at first, and only if its insert finds a row there is the row read.
    pub(crate) async fn run(mut self: Box<Self>, batch: Vec<Call>) -> Box<Self> {
        let (refuted, known) = self.attempt(batch, None).await;
        if !refuted.is_empty() {
            self.attempt(refuted, Some(known)).await;
        }
        self
    }

    /// Answers what it can. Returns the calls whose records were not absent, and those records.
    async fn attempt(&mut self, batch: Vec<Call>, known: Option<Records>) -> (Vec<Call>, Records) {
        let (mut refuted, mut seen) = (Vec::new(), Records::default());
        if let Some(broken) = &self.broken {
            for call in batch {
                let _ = call.reply.send(Err(broken.clone()));
            }
            return (refuted, seen);
        }
        let mut records = self.load(&batch, known).await;
        let now = self.clock.now();
        let answers: Vec<_> = batch
            .iter()
            .map(|call| records.take_step(&call.operation, now))
            .collect();
        let mut written = self.write(&records).await;
        match &written {
            Ok(false) => match self.look(&records).await {
                Ok(found) => seen = found,
                Err(error) => written = Err(error),
            },
            // Nothing was written, but what needs no write can still be answered.
            Err(error) if error.kind() == StoreErrorKind::Unavailable && self.broken.is_none() => {
                let assumed = records.assumed();
                if let Ok(found) = self.read(&assumed).await {
                    seen = found;
                }
            }
            Ok(true) | Err(_) => {}
        }
        if written.is_ok() {
            for (key, change) in records.changes() {
                match change {
                    _ if seen.contains(key) => {}
                    Change::Own(record) | Change::Put(record) => {
                        self.claims.set(*key, Some(record));
                    }
                    Change::Delete => self.claims.set(*key, None),
                }
            }
        }
        for (call, answer) in batch.into_iter().zip(answers) {
            let key = call.operation.key();
            if key.is_some_and(|key| seen.contains(key)) {
                refuted.push(call);
                continue;
            }
            let doubtful = key.is_some_and(|key| records.has_changed(key));
            let result = match (answer, &written, &call.operation) {
                (Some(_), Err(error), _) if doubtful => Err(error.clone()),
                (Some(answer), ..) => answer,
                (None, _, Operation::Purge(limit)) => {
                    self.purge(*limit, now).await.map(Answer::Purged)
                }
                // Each operation but a purge has a key, and each key was loaded.
                (None, ..) => continue,
            };
            // Whoever has gone finds the record as it is.
            let _ = call.reply.send(result);
        }
        (refuted, seen)
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

    /// Whether every record that was taken for absent was.
    async fn write(&mut self, records: &Records) -> Result<bool, StoreError> {
        let changes = records.changes();
        if changes.is_empty() {
            return Ok(true);
        }
        let durable = records.is_durable();
        let written = self.try_write(&changes, durable).await;
        let written = self.settle(written).await;
        if durable && written.is_ok() {
            self.tally = self.tally.next();
            // Only what is on the disk is ever noted.
            self.lock.note(&self.tally);
        }
        written
    }

    async fn try_write(
        &mut self,
        changes: &[(&RecordKey, Change<'_>)],
        durable: bool,
    ) -> Result<bool, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        let mut shape = Shape::default();
        if durable {
            shape.own += 1;
            let tally = self.tally.next();
            row::write_tally(&mut arguments, &tally).map_err(sqlx::Error::Encode)?;
        }
        for (key, change) in changes {
            if let Change::Own(record) = change {
                shape.own += 1;
                row::write(&mut arguments, key, record).map_err(sqlx::Error::Encode)?;
            }
        }
        for (key, change) in changes {
            if let Change::Put(record) = change {
                shape.puts += 1;
                row::write(&mut arguments, key, record).map_err(sqlx::Error::Encode)?;
            }
        }
        for (key, change) in changes {
            if matches!(change, Change::Delete) {
                shape.deletes += 1;
                add(&mut arguments, &key.as_bytes()[..])?;
            }
        }
        self.synchronize(if durable {
            Synchronous::Full
        } else {
            Synchronous::Normal
        })
        .await?;
        let text = self.texts.write(shape);
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let mut results = self.connection.fetch_many(query);
        let mut counts = Vec::with_capacity(5);
        while let Some(result) = results.try_next().await? {
            if let Some(done) = result.left() {
                counts.push(done.rows_affected());
            }
            if shape.is_one_statement() {
                // Nothing follows, and to wait for nothing costs as much as for something.
                break;
            }
        }
        let own = counts.get(shape.own_count()).copied().unwrap_or_default();
        Ok(shape.own == 0 || own == shape.own as u64)
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
    async fn settle<T>(&mut self, written: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        let error = match written {
            Ok(written) => return Ok(written),
            Err(error) => error,
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
            let text = self.texts.write(Shape {
                deletes: claims.len(),
                ..Shape::default()
            });
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
            Err(error) => self.settle(Err(error)).await,
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

pub(crate) fn add(arguments: &mut SqliteArguments, bytes: &[u8]) -> Result<(), sqlx::Error> {
    arguments.add(bytes).map_err(sqlx::Error::Encode)
}
