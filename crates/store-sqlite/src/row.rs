use std::time::Duration;

use buttress_store::{
    Fingerprint, OrphanPolicy, Record, RecordKey, State, StoreError, StoreErrorKind,
    StoredResponse, Token,
};
use sha2::{Digest, Sha256};
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Row};

use crate::sql;
use crate::tally::Tally;

/// The meaning of a row. A newer one is never guessed at.
const VERSION: i64 = 1;

const RE_EXECUTE: i64 = 0;
const REFUSE: i64 = 1;

/// A row as it is stored. Times are nanoseconds since the Unix epoch, lengths nanoseconds.
#[derive(Debug, PartialEq)]
struct Columns<'a> {
    key: &'a [u8],
    version: i64,
    fingerprint: &'a [u8],
    token: &'a [u8],
    execution: i64,
    lease_end: Option<i64>,
    retention: Option<i64>,
    orphan: Option<i64>,
    response: Option<&'a [u8]>,
    due: Option<i64>,
}

impl Columns<'_> {
    /// The first eight bytes of SHA-256 over everything, each field behind its length. `SQLite`
    /// itself would not notice a bit that flips inside a value.
    fn checksum(&self) -> i64 {
        let mut hash = Sha256::new();
        for bytes in [self.key, self.fingerprint, self.token] {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        hash.update(self.version.to_be_bytes());
        hash.update(self.execution.to_be_bytes());
        for number in [self.lease_end, self.retention, self.orphan, self.due] {
            hash.update([u8::from(number.is_some())]);
            hash.update(number.unwrap_or_default().to_be_bytes());
        }
        hash.update([u8::from(self.response.is_some())]);
        hash.update(self.response.unwrap_or_default());
        let hash: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.iter_mut().zip(hash).for_each(|(to, byte)| *to = byte);
        i64::from_be_bytes(first)
    }
}

/// Appends one row's values, in the order of [`COLUMNS`](crate::sql::COLUMNS).
pub(crate) fn write(
    arguments: &mut SqliteArguments,
    key: &RecordKey,
    record: &Record,
) -> Result<(), BoxDynError> {
    let mut columns = Columns {
        key: key.as_bytes(),
        version: VERSION,
        fingerprint: record.fingerprint.as_bytes(),
        token: record.token.as_bytes(),
        execution: i64::from(record.execution),
        lease_end: None,
        retention: None,
        orphan: None,
        response: None,
        due: None,
    };
    match &record.state {
        State::InProgress {
            lease_end,
            retention,
            orphan,
        } => {
            columns.lease_end = Some(nanos(*lease_end));
            columns.retention = Some(nanos(*retention));
            columns.orphan = Some(match orphan {
                OrphanPolicy::ReExecute => RE_EXECUTE,
                OrphanPolicy::Refuse => REFUSE,
            });
        }
        State::Completed {
            response,
            expires_at,
        } => {
            columns.response = Some(response.encoded());
            columns.due = Some(nanos(*expires_at));
        }
    }
    append(arguments, &columns)
}

fn append(arguments: &mut SqliteArguments, columns: &Columns<'_>) -> Result<(), BoxDynError> {
    arguments.add(columns.key)?;
    arguments.add(columns.version)?;
    arguments.add(columns.fingerprint)?;
    arguments.add(columns.token)?;
    arguments.add(columns.execution)?;
    arguments.add(columns.lease_end)?;
    arguments.add(columns.retention)?;
    arguments.add(columns.orphan)?;
    arguments.add(columns.response)?;
    arguments.add(columns.due)?;
    arguments.add(columns.checksum())
}

/// Appends the row of the tally: a row like another, under a key that no record has, so that the
/// statement of a batch writes it along.
pub(crate) fn write_tally(
    arguments: &mut SqliteArguments,
    tally: &Tally,
) -> Result<(), BoxDynError> {
    let columns = Columns {
        key: sql::TALLY_KEY,
        version: VERSION,
        fingerprint: &[],
        token: tally.database.as_bytes(),
        execution: tally.commits.cast_signed(),
        lease_end: None,
        retention: None,
        orphan: None,
        response: None,
        due: None,
    };
    append(arguments, &columns)
}

/// What the row of the tally says.
///
/// # Errors
///
/// As for a record.
pub(crate) fn read_tally(row: &SqliteRow) -> Result<Tally, StoreError> {
    let columns = columns(row)?;
    Ok(Tally {
        database: Token::from_bytes(columns.token.try_into().map_err(damaged)?),
        commits: columns.execution.cast_unsigned(),
    })
}

/// The key of a row, and its record or why it cannot be read.
///
/// # Errors
///
/// `Corrupt` when there is not even a key.
pub(crate) fn read(row: &SqliteRow) -> Result<(RecordKey, Result<Record, StoreError>), StoreError> {
    let key: &[u8] = row.try_get(0).map_err(damaged)?;
    let key = RecordKey::from_bytes(key.try_into().map_err(damaged)?);
    Ok((key, record(row)))
}

/// The columns of a row of this version, whole.
fn columns(row: &SqliteRow) -> Result<Columns<'_>, StoreError> {
    let version: i64 = row.try_get(1).map_err(damaged)?;
    if version > VERSION {
        return Err(StoreError::new(
            StoreErrorKind::Unsupported,
            "reading a record",
        ));
    }
    let columns = Columns {
        key: row.try_get(0).map_err(damaged)?,
        version,
        fingerprint: row.try_get(2).map_err(damaged)?,
        token: row.try_get(3).map_err(damaged)?,
        execution: row.try_get(4).map_err(damaged)?,
        lease_end: row.try_get(5).map_err(damaged)?,
        retention: row.try_get(6).map_err(damaged)?,
        orphan: row.try_get(7).map_err(damaged)?,
        response: row.try_get(8).map_err(damaged)?,
        due: row.try_get(9).map_err(damaged)?,
    };
    let checksum: i64 = row.try_get(10).map_err(damaged)?;
    if version != VERSION || checksum != columns.checksum() {
        return Err(corrupt());
    }
    Ok(columns)
}

fn record(row: &SqliteRow) -> Result<Record, StoreError> {
    let columns = columns(row)?;
    let state = match (columns.response, columns.due) {
        (Some(response), Some(due)) => State::Completed {
            response: StoredResponse::decode(response.to_vec().into())?,
            expires_at: time(Some(due))?,
        },
        (None, None) => State::InProgress {
            lease_end: time(columns.lease_end)?,
            retention: time(columns.retention)?,
            orphan: match columns.orphan {
                Some(RE_EXECUTE) => OrphanPolicy::ReExecute,
                Some(REFUSE) => OrphanPolicy::Refuse,
                _ => return Err(corrupt()),
            },
        },
        _ => return Err(corrupt()),
    };
    Ok(Record {
        fingerprint: Fingerprint::from_bytes(columns.fingerprint.try_into().map_err(damaged)?),
        token: Token::from_bytes(columns.token.try_into().map_err(damaged)?),
        execution: columns.execution.try_into().map_err(damaged)?,
        state,
    })
}

/// Nanoseconds; 292 years and more count as 292 years.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn time(nanos: Option<i64>) -> Result<Duration, StoreError> {
    let nanos = u64::try_from(nanos.ok_or_else(corrupt)?).map_err(damaged)?;
    Ok(Duration::from_nanos(nanos))
}

const fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "reading a record")
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    corrupt().caused_by(error)
}
