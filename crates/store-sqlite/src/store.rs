use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, Durability, IdempotencyStore, RecordKey, Resolution,
    Settled, StoreError, StoreErrorKind, StoreFuture, StoredResponse, Unknown,
};

use crate::Builder;
use crate::batch::{Answer, Operation};
use crate::claims::Claims;
use crate::clock::Clock;
use crate::core::Core;
use crate::writer::Writer;

/// An [`IdempotencyStore`] in one `SQLite` file.
///
/// Clones share the database. It is open in one process at a time; when the last clone is dropped
/// it closes in the background of its own connection, and [`close`](Self::close) waits for that.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    claims: Arc<Claims>,
    clock: Clock,
}

impl SqliteStore {
    /// Opens the database at `path` with every default.
    ///
    /// # Errors
    ///
    /// As [`Builder::open`].
    ///
    /// # Cancel safety
    ///
    /// As [`Builder::open`].
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::builder(path).open().await
    }

    /// Starts from the defaults: wait 5 seconds for another process, check the table at open.
    pub fn builder(path: impl Into<PathBuf>) -> Builder {
        Builder::new(path)
    }

    /// Finishes what has been asked, then closes the database, and lets another process open it.
    ///
    /// Later calls, of clones too, are [`Unavailable`](StoreErrorKind::Unavailable).
    ///
    /// # Errors
    ///
    /// Any that writing returns. The database is closed all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it has closed the database, or done nothing.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.shared.writer.close().await {
            Some(core) => core.close().await,
            None => Ok(()),
        }
    }

    pub(crate) fn new(core: Core, claims: Arc<Claims>, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self {
            shared: Arc::new(Shared {
                writer: Writer::start(Box::new(core))?,
                claims,
                clock,
            }),
        })
    }

    async fn settle(&self, operation: Operation) -> Result<Settled, StoreError> {
        match self.shared.writer.call(operation).await? {
            Answer::Settled(settled) => Ok(settled),
            other => Err(foreign(&other)),
        }
    }
}

impl IdempotencyStore for SqliteStore {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        Box::pin(async move {
            match self.shared.writer.call(Operation::Begin(request)).await? {
                Answer::Begin(begin) => Ok(begin),
                other => Err(foreign(&other)),
            }
        })
    }

    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        let operation = Operation::Complete(*claim, response.clone(), retention);
        Box::pin(self.settle(operation))
    }

    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        Box::pin(self.settle(Operation::Renew(*claim, lease)))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        Box::pin(self.settle(Operation::Release(*claim)))
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(self.settle(Operation::Adopt(*key, resolution.clone())))
    }

    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        Box::pin(async move {
            let Shared { claims, clock, .. } = &*self.shared;
            Ok(claims.unknowns(clock.now(), after, limit))
        })
    }

    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let Shared { claims, clock, .. } = &*self.shared;
            claims.wait(key, limit, *clock).await;
            Ok(())
        })
    }

    /// One transaction of its own; others wait meanwhile, so purge in steps of a thousand or so.
    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        Box::pin(async move {
            match self
                .shared
                .writer
                .call(Operation::Purge(limit.get()))
                .await?
            {
                Answer::Purged(purged) => Ok(purged),
                other => Err(foreign(&other)),
            }
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Durability::PowerLoss).waking()
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

/// An answer to another question than was asked: never, for each operation has its own.
fn foreign(answer: &Answer) -> StoreError {
    StoreError::new(StoreErrorKind::Indeterminate, "matching an answer")
        .caused_by(format!("{answer:?}"))
}

#[cfg(test)]
mod tests {
    use buttress_store::{Fingerprint, OrphanPolicy, Token};
    use http::{HeaderMap, StatusCode};

    use super::*;

    const NORMAL: i64 = 1;
    const FULL: i64 = 2;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Last {
        Begin,
        Complete,
        Release,
        Renew,
    }

    async fn level_after(last: Last, orphan: OrphanPolicy) -> i64 {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path().join("store.db"))
            .await
            .unwrap();
        let minute = Duration::from_mins(1);
        let request = BeginRequest {
            key: RecordKey::derive(&[b"k"]),
            fingerprint: Fingerprint::from_bytes([1; Fingerprint::LEN]),
            token: Token::random().unwrap(),
            lease: minute,
            retention: minute,
            orphan,
        };
        let Begin::Acquired(claim) = store.begin(request).await.unwrap() else {
            panic!("taken");
        };
        let answer = StoredResponse::without_body(StatusCode::OK, &HeaderMap::new());
        let settled = match last {
            Last::Begin => Settled::Applied,
            Last::Complete => store.complete(&claim, &answer, minute).await.unwrap(),
            Last::Release => store.release(&claim).await.unwrap(),
            Last::Renew => store.renew(&claim, minute).await.unwrap(),
        };
        assert_eq!(settled, Settled::Applied);
        store.shared.writer.close().await.unwrap().level().await
    }

    #[tokio::test]
    async fn an_answer_waits_for_the_disk_and_a_claim_only_where_nobody_may_execute_it_again() {
        for last in [Last::Begin, Last::Complete, Last::Release, Last::Renew] {
            let lenient = level_after(last, OrphanPolicy::ReExecute).await;
            let expected = if last == Last::Complete { FULL } else { NORMAL };
            assert_eq!(lenient, expected, "{last:?}");
            assert_eq!(
                level_after(last, OrphanPolicy::Refuse).await,
                FULL,
                "{last:?}"
            );
        }
    }
}
