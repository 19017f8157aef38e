//! All order rows.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::input::NewOrder;
use super::row::Row;

/// What became of an order that was placed.
#[derive(Debug)]
pub(super) enum Placed {
    /// Its row is new.
    New,
    /// It is known, and was placed for something else.
    Other,
    /// It is known.
    Same,
}

/// All rows, in memory: they end with the process.
#[derive(Debug, Default)]
pub struct Orders(Mutex<BTreeMap<String, watch::Sender<Row>>>);

impl Orders {
    /// Writes a row for `order`, unless there is one.
    pub(super) fn place(&self, order: &NewOrder, row: impl FnOnce() -> Row) -> Placed {
        let mut rows = self.rows();
        match rows.get(&order.id) {
            Some(row) if row.borrow().order == *order => Placed::Same,
            Some(_) => Placed::Other,
            None => {
                rows.insert(order.id.clone(), watch::Sender::new(row()));
                Placed::New
            }
        }
    }

    /// The row of this order as it stands now.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Row> {
        self.rows().get(id).map(|row| row.borrow().clone())
    }

    /// Changes a row, and returns it as it then stands.
    pub fn update(&self, id: &str, change: impl FnOnce(&mut Row)) -> Option<Row> {
        let rows = self.rows();
        let row = rows.get(id)?;
        row.send_modify(change);
        Some(row.borrow().clone())
    }

    /// The row of this order once its first charge is no longer being tried.
    pub(super) async fn tried(&self, id: &str) -> Option<Row> {
        let mut row = self.rows().get(id)?.subscribe();
        let row = row.wait_for(|row| !row.is_under_way()).await.ok()?;
        Some(row.clone())
    }

    /// Every row as it stands now, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Row> {
        self.rows()
            .values()
            .map(|row| row.borrow().clone())
            .collect()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<Row>>> {
        // No code here panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
