//! All order rows, as this process sees them: those in the store, and a watch on those it drives.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_store::StoreError;
use tokio::sync::watch;
use tokio::time::sleep;

use super::held::Held;
use super::row::Row;
use super::store::{Hold, RowStore};

/// How often a row that another process drives is looked at by somebody who waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

const PAGE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// All rows; clones are the same.
#[derive(Clone, Debug)]
pub struct Orders(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rows: Arc<dyn RowStore>,
    lease: Duration,
    /// The orders that this process drives, each as its driver last wrote it.
    driven: Mutex<HashMap<String, watch::Sender<Row>>>,
}

impl Orders {
    /// The rows in this store; an order that this process drives is held for `lease` at a time.
    #[must_use]
    pub fn new(rows: Arc<dyn RowStore>, lease: Duration) -> Self {
        Self(Arc::new(Inner {
            rows,
            lease,
            driven: Mutex::default(),
        }))
    }

    /// Writes the first row of an order, and holds it; `None` if the order has one.
    pub(super) async fn insert(&self, row: &Row) -> Result<Option<Held>, StoreError> {
        let hold = Hold::new(self.0.lease)?;
        let is_new = self.rows().insert(row, hold).await?;
        Ok(is_new.then(|| Held::first(self, row.clone(), hold)))
    }

    /// Takes an order that nobody drives.
    pub(super) async fn take(&self, id: &str) -> Result<Option<Held>, StoreError> {
        let hold = Hold::new(self.0.lease)?;
        let taken = self.rows().take(id, hold).await?;
        Ok(taken.map(|stored| Held::new(self, stored, hold)))
    }

    /// Orders that are not settled and that nobody drives, and whether these are all of them.
    pub(super) async fn adrift(&self) -> Result<(Vec<String>, bool), StoreError> {
        let adrift = self.rows().adrift(PAGE).await?;
        let is_all = adrift.len() < PAGE.get();
        Ok((adrift, is_all))
    }

    /// The row of this order as it stands now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get(&self, id: &str) -> Result<Option<Row>, StoreError> {
        Ok(self.rows().get(id).await?.map(|stored| stored.row))
    }

    /// Changes a row, whoever drives its order, and returns it as it then stands; `None` if there is
    /// none. `change` sees the row again if somebody else changed it meanwhile.
    ///
    /// Only for what may come at any time, as the news of a payment: it never gives an order another
    /// key, nor sends anything for it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn amend(
        &self,
        id: &str,
        change: impl Fn(&mut Row),
    ) -> Result<Option<Row>, StoreError> {
        while let Some(stored) = self.rows().get(id).await? {
            let mut row = stored.row;
            change(&mut row);
            if self.rows().swap(&row, stored.revision).await? {
                self.publish(&row);
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The row of this order once its first charge is no longer being tried.
    pub(super) async fn tried(&self, id: &str) -> Result<Option<Row>, StoreError> {
        loop {
            let watched = self.driven().get(id).map(watch::Sender::subscribe);
            if let Some(mut row) = watched
                && let Ok(row) = row.wait_for(|row| !row.is_under_way()).await
            {
                return Ok(Some(row.clone()));
            }
            match self.get(id).await? {
                Some(row) if row.is_under_way() => sleep(LOOK_AGAIN).await,
                row => return Ok(row),
            }
        }
    }

    /// Every row as it stands now, in the order of their names.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all(&self) -> Result<Vec<Row>, StoreError> {
        let mut all: Vec<Row> = Vec::new();
        loop {
            let after = all.last().map(|row| row.order.id.clone());
            let page = self.rows().page(after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE.get();
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    pub(super) fn rows(&self) -> &dyn RowStore {
        &*self.0.rows
    }

    /// Lets those who wait here see a row that this process drives.
    pub(super) fn watch(&self, row: &Row) {
        let watched = watch::Sender::new(row.clone());
        self.driven().insert(row.order.id.clone(), watched);
    }

    /// Tells those who wait here.
    pub(super) fn publish(&self, row: &Row) {
        if let Some(watched) = self.driven().get(&row.order.id) {
            watched.send_replace(row.clone());
        }
    }

    /// This process drives the order no more; those who wait look into the store.
    pub(super) fn unwatch(&self, id: &str) {
        self.driven().remove(id);
    }

    fn driven(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Row>>> {
        // Nothing panics while it is held.
        self.0.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
