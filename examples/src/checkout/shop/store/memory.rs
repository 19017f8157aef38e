//! Rows in memory: they end with the process.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use buttress_store::{StoreError, StoreFuture, Token};

use super::holds::Holds;
use super::rows::{Hold, RowStore, Stored};
use crate::checkout::shop::row::Row;

/// A [`RowStore`] in the memory of this process.
#[derive(Debug, Default)]
pub struct MemoryRows {
    rows: Mutex<BTreeMap<String, (Row, u64)>>,
    holds: Holds,
}

impl MemoryRows {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, (Row, u64)>> {
        // Nothing panics while it is held.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self, (row, revision): &(Row, u64)) -> Stored {
        Stored {
            row: row.clone(),
            revision: *revision,
            holder: self.holds.holder(&row.order.id),
        }
    }
}

/// Nothing here waits, or fails.
fn at_once<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Ok::<_, StoreError>(value)))
}

impl RowStore for MemoryRows {
    fn insert<'a>(&'a self, row: &'a Row, hold: Hold) -> StoreFuture<'a, bool> {
        let mut rows = self.rows();
        let is_new = !rows.contains_key(&row.order.id);
        if is_new {
            rows.insert(row.order.id.clone(), (row.clone(), 1));
            self.holds.give(&row.order.id, hold);
        }
        at_once(is_new)
    }

    fn get<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<Stored>> {
        at_once(self.rows().get(id).map(|entry| self.stored(entry)))
    }

    fn swap<'a>(&'a self, row: &'a Row, revision: u64) -> StoreFuture<'a, bool> {
        let mut rows = self.rows();
        let entry = rows.get_mut(&row.order.id);
        let entry = entry.filter(|(_, present)| *present == revision);
        at_once(entry.is_some_and(|entry| {
            *entry = (row.clone(), revision + 1);
            true
        }))
    }

    fn take<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, Option<Stored>> {
        let mut rows = self.rows();
        let taken = rows.get_mut(id).filter(|_| self.holds.take(id, hold));
        at_once(taken.map(|entry| {
            entry.1 += 1;
            self.stored(entry)
        }))
    }

    fn renew<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, bool> {
        at_once(self.holds.renew(id, hold))
    }

    fn release<'a>(&'a self, id: &'a str, holder: Token) -> StoreFuture<'a, ()> {
        self.holds.release(id, holder);
        at_once(())
    }

    fn adrift(&self, limit: NonZeroUsize) -> StoreFuture<'_, Vec<String>> {
        let rows = self.rows();
        let adrift = rows
            .iter()
            .filter(|(id, (row, _))| !row.is_final() && self.holds.holder(id).is_none());
        at_once(adrift.map(|(id, _)| id.clone()).take(limit.get()).collect())
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: NonZeroUsize,
    ) -> StoreFuture<'a, Vec<Row>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows();
        let page = rows.range::<str, _>((from, Bound::Unbounded));
        at_once(
            page.map(|(_, (row, _))| row.clone())
                .take(limit.get())
                .collect(),
        )
    }
}
