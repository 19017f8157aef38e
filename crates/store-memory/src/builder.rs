use std::num::NonZeroUsize;

use crate::MemoryStore;

/// Settings of a [`MemoryStore`]; each has a default.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Builder {
    max_records: NonZeroUsize,
    max_bytes: usize,
}

impl Builder {
    pub(crate) const fn new() -> Self {
        Self {
            max_records: NonZeroUsize::MIN.saturating_add(99_999),
            max_bytes: 64 << 20,
        }
    }

    /// Keeps at most this many records, claims and answers together. Default: 100 000.
    pub const fn max_records(mut self, records: NonZeroUsize) -> Self {
        self.max_records = records;
        self
    }

    /// Keeps at most this many bytes of answers, as they are encoded. Default: 64 MiB.
    ///
    /// An answer larger than all of it is kept without its body, if need be without its headers:
    /// the key stays completed. Fewer than 1 KiB count as 1 KiB.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = if bytes < 1024 { 1024 } else { bytes };
        self
    }

    /// The store. It cannot fail: no value that the setters accept is invalid.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore::new(self.max_records.get(), self.max_bytes)
    }
}
