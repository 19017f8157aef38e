use std::collections::HashMap;
use std::sync::Arc;

/// The columns, in the order in which `row` writes and reads them.
pub(crate) const COLUMNS: &str = "key, version, fingerprint, token, execution, lease_end, \
    retention, orphan, response, due, checksum";

/// The key of the row that counts commits: no record has one of this length.
pub(crate) const TALLY_KEY: &[u8] = b"tally";

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

pub(crate) fn tally() -> String {
    format!("SELECT {COLUMNS} FROM buttress_idempotency WHERE key = CAST('tally' AS BLOB)")
}

/// Moves the log into the database file, as far as nobody reads it.
pub(crate) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// A page of all records; the last column is where the next one begins.
pub(crate) fn page() -> String {
    format!(
        "SELECT {COLUMNS}, rowid FROM buttress_idempotency \
         WHERE rowid > ? AND key <> CAST('tally' AS BLOB) ORDER BY rowid LIMIT 256"
    )
}

pub(crate) fn in_progress() -> String {
    format!(
        "SELECT {COLUMNS} FROM buttress_idempotency \
         WHERE due IS NULL AND key <> CAST('tally' AS BLOB)"
    )
}

/// The texts of statements over so many rows; `SQLite` keeps each one prepared.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    selects: HashMap<usize, Arc<str>>,
    writes: HashMap<Shape, Arc<str>>,
}

impl Texts {
    pub(crate) fn select(&mut self, keys: usize) -> Arc<str> {
        let text = self.selects.entry(keys).or_insert_with(|| {
            let keys = list("?", keys);
            format!("SELECT {COLUMNS} FROM buttress_idempotency WHERE key IN ({keys})").into()
        });
        Arc::clone(text)
    }

    pub(crate) fn write(&mut self, shape: Shape) -> Arc<str> {
        Arc::clone(
            self.writes
                .entry(shape)
                .or_insert_with(|| shape.text().into()),
        )
    }
}

/// What one transaction does, to how many rows.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Shape {
    /// Rows that must be absent, or in progress under the same token. One statement, and a
    /// transaction by itself: what nearly all batches are made of.
    pub(crate) own: usize,
    /// Rows that are put whatever is there.
    pub(crate) puts: usize,
    /// Rows that go.
    pub(crate) deletes: usize,
}

impl Shape {
    /// Which of the statements' counts is that of the `own` rows.
    pub(crate) const fn own_count(self) -> usize {
        if self.is_one_statement() { 0 } else { 1 }
    }

    pub(crate) const fn is_one_statement(self) -> bool {
        self.puts == 0 && self.deletes == 0
    }

    fn text(self) -> String {
        let own = if self.own > 0 {
            format!(
                "{} WHERE buttress_idempotency.token = excluded.token \
                 AND buttress_idempotency.response IS NULL \
                 AND buttress_idempotency.version = excluded.version",
                upsert(self.own)
            )
        } else {
            String::new()
        };
        if self.is_one_statement() {
            return own;
        }
        let mut statements = vec!["BEGIN IMMEDIATE".to_owned(), own];
        if self.puts > 0 {
            statements.push(upsert(self.puts));
        }
        if self.deletes > 0 {
            let keys = list("?", self.deletes);
            statements.push(format!(
                "DELETE FROM buttress_idempotency WHERE key IN ({keys})"
            ));
        }
        statements.push("COMMIT".to_owned());
        statements.join(";")
    }
}

fn upsert(rows: usize) -> String {
    let rows = list("(?,?,?,?,?,?,?,?,?,?,?)", rows);
    format!(
        "INSERT INTO buttress_idempotency ({COLUMNS}) VALUES {rows} \
         ON CONFLICT (key) DO UPDATE SET version = excluded.version, \
         fingerprint = excluded.fingerprint, token = excluded.token, \
         execution = excluded.execution, lease_end = excluded.lease_end, \
         retention = excluded.retention, orphan = excluded.orphan, \
         response = excluded.response, due = excluded.due, checksum = excluded.checksum"
    )
}

fn list(item: &str, count: usize) -> String {
    vec![item; count].join(",")
}
