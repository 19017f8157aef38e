use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Capabilities, Claim, IdempotencyStore, RecordKey, Resolution, Settled,
    StoreError, StoreErrorKind, StoreFuture, StoredResponse, Token, Unknown,
};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::failure::{failed, is_lock_timeout};
use crate::open::{Open, OpenTransactions};
use crate::records::Records;
use crate::statement::Protocol;
use crate::{OpenTransaction, PostgresStore};

/// How many connections are tried that turn out to be broken.
const ATTEMPTS: u32 = 3;

/// Keeps each claim in a transaction that its handler works in, so that what the handler writes and
/// the answer are committed together.
///
/// A store for the inbound idempotency layer, made by
/// [`PostgresStore::transactions`]. A begin opens the transaction, a completion commits it, a release
/// rolls it back; so does the end of the process, of the connection or of the server. A claim that
/// was lost left nothing behind, and its key is free at once: no outcome is unknown, no lease is
/// waited for, and the next execution is the first again. Each execution holds one connection of the
/// pool. Clones share the transactions.
#[derive(Clone, Debug)]
pub struct Transactions {
    store: PostgresStore,
    open: Arc<OpenTransactions>,
    lock_wait: Duration,
}

impl PostgresStore {
    /// A store whose claims are transactions, for handlers whose work is in the same database.
    #[must_use]
    pub fn transactions(&self) -> Transactions {
        Transactions {
            store: self.clone(),
            open: Arc::default(),
            lock_wait: Duration::from_secs(1),
        }
    }
}

impl Transactions {
    /// How long a repeat waits for the transaction of the first, to be answered what that commits.
    /// Default: 1 second. After that it is in progress. Keep it below the limit of the layer for a
    /// call to the store.
    #[must_use]
    pub const fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// The transaction of this claim. `None` when there is none, or somebody has it already.
    #[must_use]
    pub fn enter(&self, token: &Token) -> Option<OpenTransaction> {
        self.open.get(token)?.enter()
    }

    #[cfg(feature = "layer")]
    pub(crate) fn open(&self, token: &Token) -> Option<Arc<Open>> {
        self.open.get(token)
    }

    async fn begin(&self, request: BeginRequest) -> Result<Begin, StoreError> {
        if let Some(open) = self.open.get(&request.token) {
            self.open.renew(&request.token, request.lease);
            return Ok(Begin::Acquired(open.claim));
        }
        let mut attempt = 1;
        loop {
            match self.try_begin(request).await {
                // A lost connection took its transaction along, so nothing was changed.
                Err(error) if error.kind() == StoreErrorKind::Indeterminate => {
                    if attempt == ATTEMPTS {
                        return Err(unchanged(error));
                    }
                    attempt += 1;
                }
                begun => return begun,
            }
        }
    }

    async fn try_begin(&self, request: BeginRequest) -> Result<Begin, StoreError> {
        let mut transaction = self.begin_transaction().await?;
        let mut records = Records::within(&mut transaction, Protocol::SimpleFirst);
        match records.begin(&request).await {
            Ok(Begin::Acquired(claim)) => {
                self.open.insert(Open::new(claim, request, transaction));
                Ok(Begin::Acquired(claim))
            }
            // That it is to stay so may just have been written.
            Ok(Begin::OutcomeUnknown) => {
                commit(transaction).await?;
                Ok(Begin::OutcomeUnknown)
            }
            Err(error) if is_lock_timeout(&error) => Ok(Begin::InProgress {
                retry_after: self.lock_wait.min(request.lease),
            }),
            begun => begun,
        }
    }

    async fn begin_transaction(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let wait = self.lock_wait.as_millis().clamp(1, 1_000_000_000);
        let text = format!("BEGIN; SET LOCAL lock_timeout = {wait}");
        let begun = self.store.pool().begin_with(AssertSqlSafe(text)).await;
        begun.map_err(|error| failed("beginning", error))
    }

    async fn complete(
        &self,
        claim: &Claim,
        response: &StoredResponse,
        retention: Duration,
    ) -> Result<Settled, StoreError> {
        let Some(open) = self.open.remove(claim.token()) else {
            // Committed before, or lost: the record tells.
            return self.store.complete(claim, response, retention).await;
        };
        let mut transaction = if let Some(transaction) = open.take().await {
            transaction
        } else {
            // Its work was undone; that it was answered is to be remembered all the same.
            let mut transaction = self.begin_transaction().await?;
            let mut records = Records::within(&mut transaction, Protocol::SimpleFirst);
            match records.begin(&open.request).await? {
                Begin::Acquired(_) => transaction,
                _ => return Ok(Settled::Lost),
            }
        };
        let mut records = Records::within(&mut transaction, self.store.protocol());
        let settled = records.complete(claim, response, retention).await?;
        if settled == Settled::Applied {
            commit(transaction).await?;
        }
        Ok(settled)
    }
}

impl IdempotencyStore for Transactions {
    fn begin(&self, request: BeginRequest) -> StoreFuture<'_, Begin> {
        Box::pin(self.begin(request))
    }

    /// Commits the transaction. When it was rolled back, for its handler failed, the answer is kept
    /// without the handler's rows.
    ///
    /// After an error a repeat tells whether it was committed: [`Settled::Lost`] when it was not, and
    /// the handler's work is undone.
    fn complete<'a>(
        &'a self,
        claim: &'a Claim,
        response: &'a StoredResponse,
        retention: Duration,
    ) -> StoreFuture<'a, Settled> {
        Box::pin(self.complete(claim, response, retention))
    }

    /// A transaction needs no renewal, and knows no end of a lease but that of those whose handler
    /// ended without an answer to keep.
    fn renew<'a>(&'a self, claim: &'a Claim, lease: Duration) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            if self.open.renew(claim.token(), lease) {
                return Ok(Settled::Applied);
            }
            self.store.renew(claim, lease).await
        })
    }

    /// Rolls the transaction back.
    fn release<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, Settled> {
        Box::pin(async move {
            let Some(open) = self.open.remove(claim.token()) else {
                return self.store.release(claim).await;
            };
            open.undo();
            Ok(Settled::Applied)
        })
    }

    fn adopt<'a>(
        &'a self,
        key: &'a RecordKey,
        resolution: &'a Resolution,
    ) -> StoreFuture<'a, Settled> {
        self.store.adopt(key, resolution)
    }

    fn unknowns<'a>(
        &'a self,
        after: Option<&'a RecordKey>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Unknown>> {
        self.store.unknowns(after, limit)
    }

    /// Returns at once: what is in progress cannot be seen from outside its transaction, and a begin
    /// waits for it by itself.
    fn wait<'a>(&'a self, key: &'a RecordKey, limit: Duration) -> StoreFuture<'a, ()> {
        self.store.wait(key, limit)
    }

    fn purge(&self, limit: NonZeroUsize) -> StoreFuture<'_, usize> {
        self.store.purge(limit)
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}

async fn commit(transaction: Transaction<'static, Postgres>) -> Result<(), StoreError> {
    let committed = transaction.commit().await;
    committed.map_err(|error| failed("committing", error))
}

fn unchanged(error: StoreError) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "beginning a transaction").caused_by(error)
}
