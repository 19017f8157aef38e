use buttress_store::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// No connection could be had: nothing was asked, so nothing was changed.
pub(crate) fn unreachable(error: sqlx::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "connecting to the database").caused_by(error)
}

/// A statement failed.
pub(crate) fn failed(doing: &'static str, error: sqlx::Error) -> StoreError {
    StoreError::new(kind(&error), doing).caused_by(error)
}

/// The statement was given up for the sake of another: repeated, it may work at once.
pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(code(error), Some("40001" | "40P01"))
}

/// Somebody else held a lock for too long.
pub(crate) fn is_lock_timeout(error: &StoreError) -> bool {
    let source = std::error::Error::source(error);
    let cause = source.and_then(|source| source.downcast_ref::<sqlx::Error>());
    cause.and_then(code) == Some("55P03")
}

fn code(error: &sqlx::Error) -> Option<&str> {
    Some(database(error)?.code())
}

fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// What a failure says of the change that was asked for.
///
/// The server reports an `ERROR` once it has undone the statement. What ends the connection may come
/// after the commit and before its acknowledgement: a backend that is terminated, a pooler that lost
/// its server, a socket that broke.
fn kind(error: &sqlx::Error) -> StoreErrorKind {
    let Some(error) = database(error) else {
        return match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_) => StoreErrorKind::Corrupt,
            sqlx::Error::BeginFailed
            | sqlx::Error::Encode(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::PoolTimedOut => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Indeterminate,
        };
    };
    match (error.severity(), error.code()) {
        (PgSeverity::Fatal | PgSeverity::Panic, _) => StoreErrorKind::Indeterminate,
        // Data or index found damaged.
        (_, "XX001" | "XX002") => StoreErrorKind::Corrupt,
        // Connection exceptions, which poolers report as plain errors; a transaction whose end is
        // unknown; a server that is going down.
        (_, code) if code.starts_with("08") || code.starts_with("57P") || code == "40003" => {
            StoreErrorKind::Indeterminate
        }
        _ => StoreErrorKind::Unavailable,
    }
}
