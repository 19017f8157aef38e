use std::collections::BTreeSet;

use buttress_store::{RecordKey, StoreError};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Executor};

use crate::batch::{Call, Operation, Records};
use crate::core::{Core, add};
use crate::failure::reading;
use crate::row;

/// What a batch has to know before it decides.
impl Core {
    /// Claims come from memory. Without `known` records, a key that begins and is not among them is
    /// taken for absent; everything else is asked in one query. Under `Refuse` a key is asked as well:
    /// what must be synced is counted, and a repeat must not write for that.
    pub(crate) async fn load(&mut self, batch: &[Call], known: Option<Records>) -> Records {
        let assume = known.is_none();
        let mut records = known.unwrap_or_default();
        let mut missing = BTreeSet::new();
        for operation in batch.iter().map(|call| &call.operation) {
            let Some(key) = operation.key() else {
                continue;
            };
            if records.contains(key) {
                // Only an insert proves that a key was absent.
                if !matches!(operation, Operation::Begin(_)) && records.assumes(key) {
                    missing.insert(*key);
                }
                continue;
            }
            match self.claims.get(key) {
                Some(record) => records.found(*key, Ok(Some(record))),
                None if assume && operation.begins_leniently() => records.assume_absent(*key),
                None => {
                    missing.insert(*key);
                }
            }
        }
        if let Err(error) = self.select(&missing, &mut records).await {
            // One damaged page must not fail those who ask about other records.
            for key in &missing {
                let one = BTreeSet::from([*key]);
                let found = if missing.len() == 1 {
                    Err(error.clone())
                } else {
                    self.select(&one, &mut records).await
                };
                if let Err(error) = found {
                    records.found(*key, Err(error));
                }
            }
        }
        records
    }

    /// Which of the records taken for absent were not, and what they are.
    pub(crate) async fn look(&mut self, records: &Records) -> Result<Records, StoreError> {
        let mut seen = Records::default();
        for row in self.rows(&records.assumed()).await? {
            let (key, found) = row::read(&row)?;
            if !records.made(&key, &found) {
                seen.found(key, found.map(Some));
            }
        }
        Ok(seen)
    }

    pub(crate) async fn read(&mut self, keys: &BTreeSet<RecordKey>) -> Result<Records, StoreError> {
        let mut records = Records::default();
        for row in self.rows(keys).await? {
            let (key, found) = row::read(&row)?;
            records.found(key, found.map(Some));
        }
        Ok(records)
    }

    async fn select(
        &mut self,
        keys: &BTreeSet<RecordKey>,
        records: &mut Records,
    ) -> Result<(), StoreError> {
        let rows = self.rows(keys).await?;
        for key in keys {
            records.found(*key, Ok(None));
        }
        for row in &rows {
            let (key, found) = row::read(row)?;
            records.found(key, found.map(Some));
        }
        Ok(())
    }

    async fn rows(&mut self, keys: &BTreeSet<RecordKey>) -> Result<Vec<SqliteRow>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut arguments = SqliteArguments::default();
        for key in keys {
            add(&mut arguments, &key.as_bytes()[..]).map_err(reading)?;
        }
        let text = self.texts.select(keys.len());
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        self.connection.fetch_all(query).await.map_err(reading)
    }
}
