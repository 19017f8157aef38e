use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// The columns, in the order in which `row` writes and reads them.
pub(crate) const COLUMNS: &str = "key, version, fingerprint, token, execution, lease_end, \
    retention, orphan, response, due, checksum";

/// A row of a newer version is not this program's to delete.
pub(crate) const PURGE: &str = "DELETE FROM buttress_idempotency WHERE rowid IN \
    (SELECT rowid FROM buttress_idempotency WHERE due <= ? AND version <= 1 ORDER BY due LIMIT ?)";

/// `due` is when a completed record may go, and `NULL` for everything in progress: one index serves
/// the purge and the list of claims at open.
pub(crate) const CREATE: &str = "
CREATE TABLE IF NOT EXISTS buttress_idempotency (
    key BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    token BLOB NOT NULL,
    execution INTEGER NOT NULL,
    lease_end INTEGER,
    retention INTEGER,
    orphan INTEGER,
    response BLOB,
    due INTEGER,
    checksum INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS buttress_idempotency_due ON buttress_idempotency (due);";

pub(crate) const CHECK: &str = "PRAGMA integrity_check(buttress_idempotency)";

/// A page of all rows; the last column is where the next one begins.
pub(crate) fn page() -> String {
    format!(
        "SELECT {COLUMNS}, rowid FROM buttress_idempotency WHERE rowid > ? ORDER BY rowid LIMIT 256"
    )
}

pub(crate) fn in_progress() -> String {
    format!("SELECT {COLUMNS} FROM buttress_idempotency WHERE due IS NULL")
}

/// The texts of statements over so many rows; `SQLite` keeps each one prepared.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    selects: HashMap<usize, Arc<str>>,
    writes: HashMap<(usize, usize), Arc<str>>,
}

impl Texts {
    pub(crate) fn select(&mut self, keys: usize) -> Arc<str> {
        let text = self.selects.entry(keys).or_insert_with(|| {
            let keys = list("?", keys);
            format!("SELECT {COLUMNS} FROM buttress_idempotency WHERE key IN ({keys})").into()
        });
        Arc::clone(text)
    }

    /// One transaction.
    pub(crate) fn write(&mut self, puts: usize, deletes: usize) -> Arc<str> {
        let text = self.writes.entry((puts, deletes)).or_insert_with(|| {
            let mut text = String::from("BEGIN IMMEDIATE;");
            if puts > 0 {
                let rows = list("(?,?,?,?,?,?,?,?,?,?,?)", puts);
                let _ = write!(
                    text,
                    "INSERT INTO buttress_idempotency ({COLUMNS}) VALUES {rows} \
                     ON CONFLICT (key) DO UPDATE SET version = excluded.version, \
                     fingerprint = excluded.fingerprint, token = excluded.token, \
                     execution = excluded.execution, lease_end = excluded.lease_end, \
                     retention = excluded.retention, orphan = excluded.orphan, \
                     response = excluded.response, due = excluded.due, \
                     checksum = excluded.checksum;"
                );
            }
            if deletes > 0 {
                let keys = list("?", deletes);
                let _ = write!(
                    text,
                    "DELETE FROM buttress_idempotency WHERE key IN ({keys});"
                );
            }
            text.push_str("COMMIT");
            text.into()
        });
        Arc::clone(text)
    }
}

fn list(item: &str, count: usize) -> String {
    vec![item; count].join(",")
}
