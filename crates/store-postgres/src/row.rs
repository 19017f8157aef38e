use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, Fingerprint, RecordKey, Resolution, Settled, StoreError,
    StoreErrorKind, StoredResponse, Token, Unknown,
};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// The meaning of a row. A newer one is never guessed at.
const VERSION: i16 = 1;

/// A thousand years: what is longer would leave the range of the server's timestamps.
const LONGEST: i64 = 1000 * 366 * 24 * 60 * 60 * 1_000_000;

/// What a begin means to its caller.
pub(crate) enum Begun {
    Found(Begin),
    /// It is the caller's, but its lease has lost much of its time to a wait for a lock.
    Worn,
}

/// The row that a begin returned.
pub(crate) fn begun(row: &PgRow, request: &BeginRequest) -> Result<Begun, StoreError> {
    let token = token(row, "token")?;
    let lease_left: Option<i64> = row.try_get("lease_left").map_err(damaged)?;
    if row.try_get("written").map_err(damaged)? {
        if token != request.token {
            return Ok(Begun::Found(Begin::OutcomeUnknown));
        }
        if duration(lease_left) < request.lease.min(duration(Some(LONGEST))) / 4 * 3 {
            return Ok(Begun::Worn);
        }
        let claim = Claim::new(request.key, token, execution(row)?);
        return Ok(Begun::Found(Begin::Acquired(claim)));
    }
    readable(row)?;
    let fingerprint = array(row, "fingerprint")?;
    if !(request.fingerprint).matches(&Fingerprint::from_bytes(fingerprint))? {
        return Ok(Begun::Found(Begin::Mismatch));
    }
    let response: Option<Vec<u8>> = row.try_get("response").map_err(damaged)?;
    Ok(Begun::Found(match response {
        Some(response) => Begin::Completed {
            response: StoredResponse::decode(response.into())?,
            expires_in: duration(row.try_get("kept_for").map_err(damaged)?),
        },
        None if lease_left.is_some_and(|left| left > 0) => Begin::InProgress {
            retry_after: duration(lease_left),
        },
        None => Begin::OutcomeUnknown,
    }))
}

/// What stands in the way of a settlement.
pub(crate) enum Standing {
    Absent,
    Claimed { token: Token, lease_lives: bool },
    Completed { token: Token },
}

pub(crate) fn standing(row: Option<&PgRow>) -> Result<Standing, StoreError> {
    let Some(row) = row else {
        return Ok(Standing::Absent);
    };
    readable(row)?;
    let token = token(row, "token")?;
    Ok(if row.try_get(2).map_err(damaged)? {
        let lease_lives = row.try_get(3).map_err(damaged)?;
        Standing::Claimed { token, lease_lives }
    } else {
        Standing::Completed { token }
    })
}

impl Standing {
    /// The answer to its owner's completion or renewal; `None`: ask again, for it changed meanwhile.
    pub(crate) fn to_owner(&self, owner: &Token) -> Option<Settled> {
        match self {
            Self::Claimed { token, .. } if token == owner => None,
            Self::Completed { token } if token == owner => Some(Settled::AlreadyApplied),
            _ => Some(Settled::Lost),
        }
    }

    /// The answer to a release.
    pub(crate) fn to_release(&self, owner: &Token) -> Option<Settled> {
        match self {
            Self::Absent => Some(Settled::AlreadyApplied),
            Self::Claimed { token, .. } if token == owner => None,
            _ => Some(Settled::Lost),
        }
    }

    /// The answer to an adoption.
    pub(crate) fn to_adoption(&self, resolution: &Resolution) -> Option<Settled> {
        match (self, resolution) {
            (
                Self::Claimed {
                    lease_lives: false, ..
                },
                _,
            ) => None,
            (Self::Absent, Resolution::NotExecuted)
            | (Self::Completed { .. }, Resolution::Completed { .. }) => {
                Some(Settled::AlreadyApplied)
            }
            _ => Some(Settled::Lost),
        }
    }
}

/// How long the claim still lives, and whether its end will be told.
pub(crate) fn waiting(row: &PgRow) -> Result<(Duration, bool), StoreError> {
    let left = duration(row.try_get(0).map_err(damaged)?);
    Ok((left, row.try_get(1).map_err(damaged)?))
}

pub(crate) fn unknown(row: &PgRow) -> Result<Unknown, StoreError> {
    let key = RecordKey::from_bytes(array(row, "key")?);
    Ok(Unknown::new(key, execution(row)?))
}

/// In microseconds.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).map_or(LONGEST, |micros| micros.min(LONGEST))
}

fn duration(micros: Option<i64>) -> Duration {
    // Negative when it has passed meanwhile.
    Duration::from_micros(micros.unwrap_or_default().try_into().unwrap_or_default())
}

fn readable(row: &PgRow) -> Result<(), StoreError> {
    let version: i16 = row.try_get("version").map_err(damaged)?;
    if version > VERSION {
        return Err(StoreError::new(
            StoreErrorKind::Unsupported,
            "reading a record",
        ));
    }
    Ok(())
}

fn execution(row: &PgRow) -> Result<u32, StoreError> {
    let execution: i64 = row.try_get("execution").map_err(damaged)?;
    execution.try_into().map_err(damaged)
}

fn token(row: &PgRow, column: &str) -> Result<Token, StoreError> {
    Ok(Token::from_bytes(array(row, column)?))
}

fn array<const N: usize>(row: &PgRow, column: &str) -> Result<[u8; N], StoreError> {
    let bytes: Vec<u8> = row.try_get(column).map_err(damaged)?;
    bytes.as_slice().try_into().map_err(damaged)
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "reading a record").caused_by(error)
}
