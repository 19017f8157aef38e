//! Each operation on one connection, which may be in a transaction of the application's own.

use std::time::Duration;

use buttress_store::{
    Begin, BeginRequest, Claim, RecordKey, Resolution, Settled, StoreError, StoreErrorKind,
    StoredResponse, Token,
};
use sqlx::postgres::{PgConnection, PgRow};

use crate::failure::{failed, is_conflict};
use crate::row::{self, Begun, Standing, micros};
use crate::sql;
use crate::statement::{Protocol, Value};

/// How often a statement is repeated that met a change of the same record by somebody else.
const ATTEMPTS: u32 = 16;

/// One connection, and how to speak to it.
pub(crate) struct Records<'a> {
    connection: &'a mut PgConnection,
    protocol: Protocol,
    /// Whether each statement is a transaction by itself, and may be repeated by itself.
    autocommit: bool,
}

impl<'a> Records<'a> {
    pub(crate) const fn new(connection: &'a mut PgConnection, protocol: Protocol) -> Self {
        Self {
            connection,
            protocol,
            autocommit: true,
        }
    }

    /// The same within a transaction: after a failure all of it is lost.
    pub(crate) const fn within(transaction: &'a mut PgConnection, protocol: Protocol) -> Self {
        Self {
            autocommit: false,
            ..Self::new(transaction, protocol)
        }
    }

    pub(crate) async fn begin(&mut self, request: &BeginRequest) -> Result<Begin, StoreError> {
        let doing = "beginning";
        let values = [
            Value::Bytes(request.key.as_bytes()),
            Value::Bytes(request.fingerprint.as_bytes()),
            Value::Bytes(request.token.as_bytes()),
            Value::Number(micros(request.lease)),
            Value::Number(micros(request.retention)),
            Value::Flag(request.orphan == buttress_store::OrphanPolicy::Refuse),
        ];
        for attempt in 0..ATTEMPTS {
            let rows = self.fetch(doing, attempt, sql::BEGIN, &values).await?;
            // None: another write of this key came between the statement's look and its own.
            let Some(row) = rows.as_deref().and_then(<[_]>::first) else {
                continue;
            };
            if let Begun::Found(found) = row::begun(row, request)? {
                return Ok(found);
            }
        }
        Err(contended(doing))
    }

    pub(crate) async fn complete(
        &mut self,
        claim: &Claim,
        response: &StoredResponse,
        retention: Duration,
    ) -> Result<Settled, StoreError> {
        let (key, token) = (claim.key(), claim.token());
        let values = [
            Value::Bytes(key.as_bytes()),
            Value::Bytes(token.as_bytes()),
            Value::Bytes(response.encoded()),
            Value::Number(micros(retention)),
        ];
        let answer = |standing: Standing| standing.to_owner(token);
        self.settle("completing", key, sql::COMPLETE, &values, answer)
            .await
    }

    pub(crate) async fn renew(
        &mut self,
        claim: &Claim,
        lease: Duration,
    ) -> Result<Settled, StoreError> {
        let (key, token) = (claim.key(), claim.token());
        let values = [
            Value::Bytes(key.as_bytes()),
            Value::Bytes(token.as_bytes()),
            Value::Number(micros(lease)),
        ];
        let answer = |standing: Standing| standing.to_owner(token);
        self.settle("renewing", key, sql::RENEW, &values, answer)
            .await
    }

    pub(crate) async fn release(&mut self, claim: &Claim) -> Result<Settled, StoreError> {
        let (key, token) = (claim.key(), claim.token());
        let values = [Value::Bytes(key.as_bytes()), Value::Bytes(token.as_bytes())];
        let answer = |standing: Standing| standing.to_release(token);
        self.settle("releasing", key, sql::RELEASE, &values, answer)
            .await
    }

    pub(crate) async fn adopt(
        &mut self,
        key: &RecordKey,
        resolution: &Resolution,
    ) -> Result<Settled, StoreError> {
        let doing = "adopting";
        let answer = |standing: Standing| standing.to_adoption(resolution);
        let key_value = Value::Bytes(key.as_bytes());
        match resolution {
            Resolution::Completed {
                response,
                retention,
            } => {
                let values = [
                    key_value,
                    Value::Bytes(Token::NOBODY.as_bytes()),
                    Value::Bytes(response.encoded()),
                    Value::Number(micros(*retention)),
                ];
                self.settle(doing, key, sql::ADOPT_COMPLETED, &values, answer)
                    .await
            }
            Resolution::NotExecuted => {
                self.settle(doing, key, sql::ADOPT_NOT_EXECUTED, &[key_value], answer)
                    .await
            }
        }
    }

    /// Any other statement.
    pub(crate) async fn ask(
        &mut self,
        doing: &'static str,
        text: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<PgRow>, StoreError> {
        for attempt in 0..ATTEMPTS {
            if let Some(rows) = self.fetch(doing, attempt, text, values).await? {
                return Ok(rows);
            }
        }
        Err(contended(doing))
    }

    /// Changes a record; if it is not as the change wants it, looks at what it is.
    async fn settle(
        &mut self,
        doing: &'static str,
        key: &RecordKey,
        text: &'static str,
        values: &[Value<'_>],
        answer: impl Fn(Standing) -> Option<Settled>,
    ) -> Result<Settled, StoreError> {
        for _ in 0..ATTEMPTS {
            if !self.ask(doing, text, values).await?.is_empty() {
                return Ok(Settled::Applied);
            }
            let key = [Value::Bytes(key.as_bytes())];
            let rows = self.ask(doing, sql::LOOK, &key).await?;
            if let Some(settled) = answer(row::standing(rows.first())?) {
                return Ok(settled);
            }
        }
        Err(contended(doing))
    }

    /// `None`: it was given up for the sake of another, and may be repeated.
    async fn fetch(
        &mut self,
        doing: &'static str,
        attempt: u32,
        text: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Vec<PgRow>>, StoreError> {
        match self.protocol.fetch(self.connection, text, values).await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if is_conflict(&error) && self.autocommit && attempt + 1 < ATTEMPTS => {
                let pause = Duration::from_millis(fastrand::u64(0..(1 << attempt.min(6))));
                tokio::time::sleep(pause).await;
                Ok(None)
            }
            Err(error) => Err(failed(doing, error)),
        }
    }
}

fn contended(doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, doing)
        .caused_by("the record was changed by others at each attempt")
}
