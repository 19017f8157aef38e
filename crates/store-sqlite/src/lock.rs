use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use buttress_store::{StoreError, StoreErrorKind};
use tokio::time::{Instant, sleep};

use crate::tally::{NOTE_LEN, Tally};

/// How often a lock that somebody holds is tried.
const PAUSE: Duration = Duration::from_millis(20);

/// The exclusive right to one database file. The operating system takes it back when the process
/// ends, however it ends.
///
/// A file of its own, beside the database: to open and close the database file itself would drop
/// the locks that `SQLite` holds on it in this process.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    path: PathBuf,
    noted: Option<Tally>,
}

/// The first line: the process, and a line's end. The tally's note follows.
const PROCESS_LEN: usize = 11;

impl FileLock {
    pub(crate) async fn acquire(database: &Path, wait: Duration) -> Result<Self, StoreError> {
        let failed = |error: io::Error| {
            StoreError::new(StoreErrorKind::Unavailable, "locking the database").caused_by(error)
        };
        let path = beside(database);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        let deadline = Instant::now() + wait.min(Duration::from_hours(24));
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let noted = noted(&mut file);
                    sign(&mut file).map_err(failed)?;
                    return Ok(Self { file, path, noted });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => {
                    let locked = Locked {
                        path,
                        process: holder(&mut file),
                    };
                    let doing = "waiting for another process to close the database";
                    return Err(
                        StoreError::new(StoreErrorKind::Unavailable, doing).caused_by(locked)
                    );
                }
            }
        }
    }
}

impl FileLock {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was noted when the lock was acquired.
    pub(crate) const fn noted(&self) -> Option<Tally> {
        self.noted
    }

    /// Notes the commits that were synced. Not synced itself: after a loss of power an older note may
    /// be found, which is as true.
    pub(crate) fn note(&mut self, tally: &Tally) {
        let start = io::SeekFrom::Start(PROCESS_LEN as u64);
        let seek = self.file.seek(start);
        // Without it an older note stays.
        let _ = seek.and_then(|_| self.file.write_all(tally.note().as_bytes()));
    }
}

fn noted(file: &mut File) -> Option<Tally> {
    let text = read(file)?;
    Tally::read(text.get(PROCESS_LEN..PROCESS_LEN + NOTE_LEN)?)
}

fn read(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(1024).read_to_string(&mut text).ok()?;
    Some(text)
}

fn beside(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".lock");
    name.into()
}

fn sign(file: &mut File) -> io::Result<()> {
    file.rewind()?;
    file.write_all(format!("{:<10}\n", std::process::id()).as_bytes())
}

fn holder(file: &mut File) -> Option<u32> {
    read(file)?.lines().next()?.trim().parse().ok()
}

/// Another process has the database open, and did not close it in time.
///
/// The source of the [`StoreError`] that opening returned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Locked {
    path: PathBuf,
    process: Option<u32>,
}

impl Locked {
    /// The lock file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process that holds it, by its own account.
    #[must_use]
    pub const fn process(&self) -> Option<u32> {
        self.process
    }
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is locked", self.path.display())?;
        match self.process {
            Some(process) => write!(f, " by process {process}"),
            None => Ok(()),
        }
    }
}

impl Error for Locked {}
