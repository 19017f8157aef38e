//! Records in a transaction of the application's own.

use std::time::Duration;

use buttress_store::{Begin, BeginRequest, Claim, Settled, StoreError, StoredResponse};
use sqlx::{Postgres, Transaction};

use crate::PostgresStore;
use crate::records::Records;

impl PostgresStore {
    /// [`begin`](buttress_store::IdempotencyStore::begin), within `transaction`.
    ///
    /// Best as its first statement. Another begin of the key waits until the transaction has ended,
    /// or for its own `lock_timeout`: after a commit it finds the answer, after a rollback the key is
    /// free. A transaction that is rolled back or lost leaves nothing behind, so nothing done in it
    /// is ever in doubt, and no lease is waited for.
    ///
    /// # Errors
    ///
    /// Any kind. The transaction can only be rolled back then, and the caller must not execute.
    /// [`Unavailable`](buttress_store::StoreErrorKind::Unavailable) when another transaction had the
    /// key for longer than `lock_timeout`.
    ///
    /// # Cancel safety
    ///
    /// Roll the transaction back when it was dropped.
    pub async fn begin_in(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        request: &BeginRequest,
    ) -> Result<Begin, StoreError> {
        let mut records = Records::within(transaction, self.protocol());
        records.begin(request).await
    }

    /// [`complete`](buttress_store::IdempotencyStore::complete), within `transaction`.
    ///
    /// Best as its last statement. The answer is kept if and only if the transaction is committed:
    /// tell nobody before. The claim may be one of [`begin_in`](Self::begin_in) or of an earlier
    /// transaction; on [`Settled::Lost`] roll back.
    ///
    /// # Errors
    ///
    /// Any kind. The transaction can only be rolled back then.
    ///
    /// # Cancel safety
    ///
    /// Roll the transaction back when it was dropped.
    pub async fn complete_in(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        claim: &Claim,
        response: &StoredResponse,
        retention: Duration,
    ) -> Result<Settled, StoreError> {
        let mut records = Records::within(transaction, self.protocol());
        records.complete(claim, response, retention).await
    }
}
