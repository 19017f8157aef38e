//! What is in a store while no shop has it open: for those who audit it after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use buttress_store::StoreError;

use super::{Location, RowStore};

const PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// How much of it there is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Census {
    /// Orders, by state.
    pub orders: BTreeMap<&'static str, u64>,
    /// Requests with a key that were being executed, or had been when a process before died: the
    /// token of each claim, which a new execution draws anew.
    pub claims: BTreeSet<Vec<u8>>,
    /// Requests with a key whose answer is recorded.
    pub answers: u64,
}

impl Location {
    /// Counts all of it, having checked that nothing of it is torn; changes nothing.
    ///
    /// # Errors
    /// When something is damaged, or cannot be read.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "redis", feature = "sqlite")),
        expect(clippy::unused_async, reason = "what is in memory is at hand")
    )]
    pub async fn census(&self) -> Result<Census, StoreError> {
        match self {
            // What nobody has open is no more.
            Self::Memory => Ok(Census::default()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => {
                let (rows, _) = super::PostgresRows::open(url).await?;
                let orders = Census::of_orders(&rows).await?;
                let (claims, answers) = rows.records().await?;
                rows.close().await;
                Ok(Census {
                    claims,
                    answers,
                    ..orders
                })
            }
            #[cfg(feature = "redis")]
            Self::Redis(url) => {
                let rows = super::RedisRows::connect(url).await?;
                let orders = Census::of_orders(&rows).await?;
                let (claims, answers) = rows.records().await?;
                Ok(Census {
                    claims,
                    answers,
                    ..orders
                })
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => file::census(path).await,
        }
    }
}

impl Census {
    /// The orders among these rows, each of which is read and so found whole; nothing of requests.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn of_orders(rows: &dyn RowStore) -> Result<Self, StoreError> {
        let (mut census, mut after) = (Self::default(), None::<String>);
        loop {
            let page = rows.page(after.as_deref(), PAGE).await?;
            for row in &page {
                *census.orders.entry(row.state.name()).or_default() += 1;
            }
            match page.last() {
                Some(row) => after = Some(row.order.id.clone()),
                None => return Ok(census),
            }
        }
    }
}

#[cfg(feature = "sqlite")]
mod file {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};
    use std::{fs, io};

    use buttress_store::{StoreError, StoreErrorKind};
    use buttress_store_sqlite::SqliteStore;

    use super::Census;
    use crate::checkout::shop::store::SqliteRows;

    /// What `SQLite` and the lock of its users keep beside a database.
    const BESIDE: [&str; 4] = ["", "-wal", "-shm", ".lock"];

    pub(super) async fn census(path: &Path) -> Result<Census, StoreError> {
        if !path.exists() {
            return Ok(Census::default());
        }
        let copy = Copy::of(path).map_err(|error| {
            let doing = "copying the database";
            StoreError::new(StoreErrorKind::Unavailable, doing).caused_by(error)
        })?;
        // Opening it compares every record with its checksum.
        SqliteStore::open(&copy.0).await?.close().await?;
        let rows = SqliteRows::open(&copy.0).await?;
        let orders = Census::of_orders(&rows).await?;
        let (claims, answers) = rows.records().await?;
        rows.close().await;
        Ok(Census {
            claims,
            answers,
            ..orders
        })
    }

    /// A copy of a database and its log, so that what a crash left is mended by the next shop, and
    /// not by the census.
    struct Copy(PathBuf);

    impl Copy {
        fn of(path: &Path) -> io::Result<Self> {
            let copy = Self(beside(path, ".census"));
            fs::copy(path, &copy.0)?;
            let log = beside(path, "-wal");
            if log.exists() {
                fs::copy(log, beside(&copy.0, "-wal"))?;
            }
            Ok(copy)
        }
    }

    impl Drop for Copy {
        fn drop(&mut self) {
            for name in BESIDE {
                // It may not be there.
                let _ = fs::remove_file(beside(&self.0, name));
            }
        }
    }

    fn beside(path: &Path, ending: &str) -> PathBuf {
        let mut name = OsString::from(path);
        name.push(ending);
        name.into()
    }
}
