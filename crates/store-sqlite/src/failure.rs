use buttress_store::{StoreError, StoreErrorKind};

/// What went wrong, and whether anything can work after it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    /// What every later call is told, if the database is in doubt.
    pub(crate) broken: Option<StoreError>,
}

impl Failure {
    /// A write failed. Result codes: <https://www.sqlite.org/rescode.html>.
    pub(crate) fn writing(error: sqlx::Error) -> Self {
        let doing = "writing records";
        let (kind, broken) = match code(&error) {
            // Busy, locked, out of memory, read-only, full, cannot open: rolled back as a whole.
            Some(5..=8 | 13 | 14) => (StoreErrorKind::Unavailable, None),
            Some(11 | 26) => (StoreErrorKind::Corrupt, Some(StoreErrorKind::Corrupt)),
            // After a failed sync nobody knows what the disk holds, and to sync again proves
            // nothing. Only a new start, which reads the log, may go on.
            _ => (
                StoreErrorKind::Indeterminate,
                Some(StoreErrorKind::Unavailable),
            ),
        };
        let error = StoreError::new(kind, doing).caused_by(error);
        Self {
            broken: broken.map(|kind| {
                StoreError::new(kind, "using a broken database").caused_by(error.clone())
            }),
            error,
        }
    }
}

/// A read failed: nothing was changed.
pub(crate) fn reading(error: sqlx::Error) -> StoreError {
    unchanged("reading records", error)
}

/// The database did not open.
pub(crate) fn opening(error: sqlx::Error) -> StoreError {
    unchanged("opening the database", error)
}

fn unchanged(doing: &'static str, error: sqlx::Error) -> StoreError {
    let kind = match code(&error) {
        Some(11 | 26) => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, doing).caused_by(error)
}

/// The primary result code.
fn code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
