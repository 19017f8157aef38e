use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use buttress_store::{RecordKey, StoreError, StoreErrorKind, Unknown};
use redis::{Cmd, Pipeline, Value};

use crate::layout;
use crate::reply::Look;
use crate::store::Shared;

const DOING: &str = "listing unknowns";

/// How many keys a server is asked to look at in one step.
const STEP: usize = 1000;

impl Shared {
    /// Looks at every record: there is no second key in which they could stand in order, for a script
    /// that touches two works in no cluster.
    pub(crate) async fn unknowns(
        &self,
        after: Option<&RecordKey>,
        limit: NonZeroUsize,
    ) -> Result<Vec<Unknown>, StoreError> {
        let mut found = BTreeMap::new();
        let first = self.link.everywhere(&self.scan(0)).await;
        for (address, page) in first.map_err(|failure| failure.reading(DOING))? {
            let mut page = page;
            loop {
                let (cursor, keys) = self.page(page, after)?;
                self.keep_unknown(address.as_deref(), &keys, &mut found)
                    .await?;
                while found.len() > limit.get() {
                    found.pop_last();
                }
                if cursor == 0 {
                    break;
                }
                let next = self.link.at(address.as_deref(), self.scan(cursor)).await;
                page = next.map_err(|failure| failure.reading(DOING))?;
            }
        }
        let unknown = |(key, execution)| Unknown::new(key, execution);
        Ok(found.into_iter().map(unknown).collect())
    }

    async fn keep_unknown(
        &self,
        address: Option<&str>,
        keys: &BTreeSet<RecordKey>,
        found: &mut BTreeMap<RecordKey, u32>,
    ) -> Result<(), StoreError> {
        match self.link.all_at(address, self.heads(keys)).await {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                let time = answers.next().map(redis::from_redis_value::<(u64, u64)>);
                let (seconds, micros) = time.and_then(Result::ok).ok_or_else(nonsense)?;
                let now = seconds.saturating_mul(1_000_000).saturating_add(micros);
                for (key, answer) in keys.iter().zip(answers) {
                    let head: Vec<u8> = redis::from_redis_value(answer).unwrap_or_default();
                    if let Some(execution) = layout::unknown_execution(&head, now) {
                        found.insert(*key, execution);
                    }
                }
                Ok(())
            }
            // A key that moved to another node takes the whole pipeline with it.
            Err(_) => self.keep_unknown_one_by_one(keys, found).await,
        }
    }

    async fn keep_unknown_one_by_one(
        &self,
        keys: &BTreeSet<RecordKey>,
        found: &mut BTreeMap<RecordKey, u32>,
    ) -> Result<(), StoreError> {
        for key in keys {
            match self.look(key, false).await {
                Ok(Look::Unknown(execution)) => {
                    found.insert(*key, execution);
                }
                Err(error) if error.kind() == StoreErrorKind::Unavailable => return Err(error),
                // One that cannot be read is an error to whoever asks for it.
                _ => {}
            }
        }
        Ok(())
    }

    /// The time, and the first bytes of these records.
    fn heads(&self, keys: &BTreeSet<RecordKey>) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(keys.len() + 1);
        pipeline.cmd("TIME");
        for key in keys {
            let head = pipeline.cmd("GETRANGE").arg(self.names.of(key));
            head.arg(0).arg(layout::HEAD - 1);
        }
        pipeline
    }

    fn scan(&self, cursor: u64) -> Cmd {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(self.names.pattern());
        scan.arg("COUNT").arg(STEP);
        scan
    }

    fn page(
        &self,
        page: Value,
        after: Option<&RecordKey>,
    ) -> Result<(u64, BTreeSet<RecordKey>), StoreError> {
        let page = redis::from_redis_value::<(u64, Vec<Vec<u8>>)>(page);
        let (cursor, names) = page.map_err(|_| nonsense())?;
        let keys = names.iter().filter_map(|name| self.names.key(name));
        let keys = keys.filter(|key| after.is_none_or(|after| key > after));
        Ok((cursor, keys.collect()))
    }
}

/// Not what a server answers to `SCAN` or `TIME`.
fn nonsense() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, DOING)
}
