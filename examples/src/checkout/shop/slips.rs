//! Packing slips: one is printed for each order that is placed.
//!
//! A local effect of the handler that nothing makes idempotent: a slip that has been printed stays
//! printed. It is printed after the order's row is written. Where an execution was lost half-way
//! ([`OrphanPolicy`](buttress_store::OrphanPolicy)), its repeat prints another one under
//! `ReExecute`, and under `Refuse` there is no repeat.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// The printer; clones are the same.
#[derive(Clone, Debug)]
pub struct Slips(Arc<File>);

impl Slips {
    /// Prints to the end of this file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Arc::new(file)))
    }

    /// One write, so that whoever kills this process tears no line.
    pub(super) fn print(&self, order_id: &str) -> io::Result<()> {
        (&*self.0).write_all(format!("{order_id}\n").as_bytes())
    }
}
