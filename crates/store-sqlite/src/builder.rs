use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use buttress_store::{State, StoreError, StoreErrorKind, Token};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use crate::claims::Claims;
use crate::clock::Clock;
use crate::core::{Core, rows};
use crate::failure::{opening, reading};
use crate::lock::FileLock;
use crate::tally::Tally;
use crate::{LostCommits, SqliteStore, row, sql, telemetry};

/// Settings of a [`SqliteStore`]; each but the path has a default.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    path: PathBuf,
    lock_wait: Duration,
    busy_wait: Duration,
    check: bool,
    clock: fn() -> SystemTime,
}

impl Builder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            lock_wait: Duration::from_secs(5),
            busy_wait: Duration::from_secs(5),
            check: true,
            clock: SystemTime::now,
        }
    }

    /// Waits this long for another process to close the database. Default: 5 seconds.
    pub const fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Waits this long for a transaction of the application's own connection to the same file. Default:
    /// 5 seconds. A call that waits longer is [`Unavailable`](StoreErrorKind::Unavailable).
    pub const fn busy_wait(mut self, wait: Duration) -> Self {
        self.busy_wait = wait;
        self
    }

    /// Whether to read the whole table at open and look for damage. Default: yes.
    ///
    /// Takes time in proportion to the table. Without it a damaged record is an error when it is
    /// asked for, and a damaged index may hide one.
    pub const fn check_at_open(mut self, check: bool) -> Self {
        self.check = check;
        self
    }

    /// Where the time of day comes from, read once, at open. Default: the system's clock.
    pub const fn clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the database, creating it if there is none.
    ///
    /// Claims of the process before, which cannot be alive, are orphans from now on: their leases
    /// have ended.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreErrorKind::Unavailable) when another process has it open (the source is
    /// [`Locked`](crate::Locked)) or the file cannot be opened; [`Corrupt`](StoreErrorKind::Corrupt)
    /// when it is damaged beyond what `SQLite` mends from its log, or lacks commits that were
    /// acknowledged (the source is [`LostCommits`]).
    ///
    /// # Cancel safety
    ///
    /// Dropping it opens nothing; a database that was created stays.
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        let path = canonical(&self.path)?;
        let lock = FileLock::acquire(&path, self.lock_wait).await?;
        let mut connection = connect(&path, self.busy_wait).await?;
        let create = sqlx::raw_sql(sql::CREATE);
        connection.execute(create).await.map_err(opening)?;
        if self.check {
            check(&mut connection).await?;
        }
        let clock = Clock::new((self.clock)());
        let claims = Arc::new(Claims::default());
        let tally = count(&mut connection, &lock).await?;
        orphan(&path, &mut connection, &claims, clock).await?;
        let core = Core::new(connection, Arc::clone(&claims), clock, tally, lock);
        SqliteStore::new(core, claims, clock)
    }
}

/// The file itself, so that two names for it are one lock.
fn canonical(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error: std::io::Error| {
        StoreError::new(StoreErrorKind::Unavailable, "finding the database").caused_by(error)
    };
    if path.exists() {
        return path.canonicalize().map_err(failed);
    }
    let absolute = std::path::absolute(path).map_err(failed)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize().map_err(failed)?.join(name)),
        _ => Err(failed(std::io::ErrorKind::InvalidFilename.into())),
    }
}

async fn connect(path: &Path, busy_wait: Duration) -> Result<SqliteConnection, StoreError> {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(busy_wait)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // On macOS a sync without it stops at the disk's cache; elsewhere it does nothing.
        .pragma("fullfsync", "ON")
        .statement_cache_capacity(512)
        .row_buffer_size(256)
        .thread_name(|_| "buttress-sqlite".to_owned())
        .disable_statement_logging()
        .connect()
        .await
        .map_err(opening)
}

async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let corrupt = || StoreError::new(StoreErrorKind::Corrupt, "checking the database");
    for row in rows(connection, sql::CHECK.to_owned()).await? {
        let verdict: String = row.try_get(0).map_err(|error| corrupt().caused_by(error))?;
        if verdict != "ok" {
            return Err(corrupt().caused_by(verdict));
        }
    }
    let page: Arc<str> = sql::page().into();
    let mut last = i64::MIN;
    loop {
        let query = sqlx::query(AssertSqlSafe(Arc::clone(&page))).bind(last);
        let rows = connection.fetch_all(query).await.map_err(reading)?;
        for row in &rows {
            match row::read(row)?.1 {
                Err(error) if error.kind() != StoreErrorKind::Unsupported => return Err(error),
                _ => last = row.try_get(11).map_err(reading)?,
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// How many synced commits the database has; an error if it once had more.
async fn count(connection: &mut SqliteConnection, lock: &FileLock) -> Result<Tally, StoreError> {
    let Some(row) = rows(connection, sql::tally()).await?.pop() else {
        return begin_count(connection).await;
    };
    let tally = row::read_tally(&row)?;
    match lock.noted() {
        Some(noted) if noted.database == tally.database && noted.commits > tally.commits => {
            let lost = LostCommits::new(lock.path().into(), noted.commits, tally.commits);
            let error = StoreError::new(StoreErrorKind::Corrupt, "counting commits");
            Err(error.caused_by(lost))
        }
        // What was found is not noted: it may have been written and not synced.
        _ => Ok(tally),
    }
}

/// Names the database, in its file and not in the log alone, which may be lost.
async fn begin_count(connection: &mut SqliteConnection) -> Result<Tally, StoreError> {
    let tally = Tally {
        database: Token::random()?,
        commits: 0,
    };
    let mut arguments = SqliteArguments::default();
    row::write_tally(&mut arguments, &tally)
        .map_err(|error| opening(sqlx::Error::Encode(error)))?;
    let insert = sql::Shape {
        own: 1,
        ..sql::Shape::default()
    };
    let query = sqlx::query_with(
        AssertSqlSafe(sql::Texts::default().write(insert)),
        arguments,
    );
    connection.execute(query).await.map_err(opening)?;
    let checkpoint = sqlx::raw_sql(sql::CHECKPOINT);
    connection.execute(checkpoint).await.map_err(opening)?;
    Ok(tally)
}

/// Ends the lease of every claim that the process before left.
async fn orphan(
    path: &Path,
    connection: &mut SqliteConnection,
    claims: &Claims,
    clock: Clock,
) -> Result<(), StoreError> {
    let now = clock.now();
    let (mut orphans, mut unreadable) = (0, 0);
    for found in rows(connection, sql::in_progress()).await? {
        // One that cannot be read stays in the file, and is an error to whoever asks for it.
        let Ok((key, Ok(mut record))) = row::read(&found) else {
            unreadable += 1;
            continue;
        };
        if let State::InProgress { lease_end, .. } = &mut record.state {
            *lease_end = now.min(*lease_end);
        }
        claims.set(key, Some(&record));
        orphans += 1;
    }
    telemetry::opened(path, orphans, unreadable);
    Ok(())
}
