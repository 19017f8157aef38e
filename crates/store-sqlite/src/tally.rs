use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use buttress_store::Token;
use sha2::{Digest, Sha256};

/// How many synced commits a database has seen, under the name that it was given when it was made.
///
/// The database counts them in a row of its own, and the lock file notes the count after each one. A
/// log that is damaged ends where the damage is, as if nothing had come after: then the row counts
/// fewer commits than the note, which is never ahead of what was synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) database: Token,
    pub(crate) commits: u64,
}

/// The length of a [`note`](Tally::note).
pub(crate) const NOTE_LEN: usize = 71;

impl Tally {
    pub(crate) const fn next(&self) -> Self {
        Self {
            database: self.database,
            commits: self.commits.saturating_add(1),
        }
    }

    /// A line of text that says it all, and whether it is whole.
    pub(crate) fn note(&self) -> String {
        let text = format!("{} {:020}", hex(self.database.as_bytes()), self.commits);
        let checksum = checksum(&text);
        format!("{text} {checksum}\n")
    }

    /// What a note says; `None` when there is none, or it is torn.
    pub(crate) fn read(note: &str) -> Option<Self> {
        let (text, found) = note.trim_end().rsplit_once(' ')?;
        let (database, commits) = text.split_once(' ')?;
        if found != checksum(text) {
            return None;
        }
        let mut bytes = [0; Token::LEN];
        for (position, byte) in bytes.iter_mut().enumerate() {
            let digits = database.get(2 * position..2 * position + 2)?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self {
            database: Token::from_bytes(bytes),
            commits: commits.parse().ok()?,
        })
    }
}

fn checksum(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    let mut digits = hex(&hash);
    digits.truncate(16);
    digits
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .filter_map(|nibble| DIGITS.get(usize::from(nibble)))
        .collect()
}

/// Commits that were acknowledged are not in the database: its log was damaged or removed, or the
/// file is an older copy.
///
/// The source of the [`StoreError`](buttress_store::StoreError) that opening returned. What they
/// answered would be executed again. To accept that, delete the lock file while nobody has the
/// database open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LostCommits {
    lock_file: PathBuf,
    acknowledged: u64,
    found: u64,
}

impl LostCommits {
    pub(crate) const fn new(lock_file: PathBuf, acknowledged: u64, found: u64) -> Self {
        Self {
            lock_file,
            acknowledged,
            found,
        }
    }

    /// How many synced commits the lock file knows of.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many of them the database has.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.found
    }

    /// The lock file.
    #[must_use]
    pub fn lock_file(&self) -> &Path {
        &self.lock_file
    }
}

impl fmt::Display for LostCommits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of {} commits that {} knows of, the database has {}",
            self.acknowledged,
            self.lock_file.display(),
            self.found,
        )
    }
}

impl Error for LostCommits {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_not_at_all_if_a_byte_is_wrong() {
        let tally = Tally {
            database: Token::from_bytes(*b"\x00\x01\xfe\xffsixteen byte"),
            commits: u64::MAX,
        };
        let note = tally.note();
        assert_eq!(note.len(), NOTE_LEN);
        assert_eq!(Tally::read(&note), Some(tally));
        for position in 0..NOTE_LEN - 1 {
            let mut torn = note.clone().into_bytes();
            torn[position] ^= 1;
            assert_eq!(Tally::read(&String::from_utf8(torn).unwrap()), None);
            assert_eq!(Tally::read(&note[..position]), None);
        }
    }
}
