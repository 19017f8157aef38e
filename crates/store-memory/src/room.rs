use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How full a store is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Claims and answers, expired ones that nobody has purged among them.
    pub records: usize,
    /// Bytes of answers.
    pub bytes: usize,
    /// Records given up before their time since the store was made: each opened its key again.
    pub evicted: u64,
}

/// The room that all shards share.
///
/// Counters alone and no order between them: a reservation is made before the record is inserted
/// and returned after it is removed, so the counts are never below what the shards hold.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) max_records: usize,
    pub(crate) max_bytes: usize,
    records: AtomicUsize,
    bytes: AtomicUsize,
    evicted: AtomicU64,
}

impl Room {
    pub(crate) const fn new(max_records: usize, max_bytes: usize) -> Self {
        Self {
            max_records,
            max_bytes,
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    pub(crate) fn take_record(&self) -> bool {
        take(&self.records, 1, self.max_records)
    }

    pub(crate) fn take_bytes(&self, bytes: usize) -> bool {
        take(&self.bytes, bytes, self.max_bytes)
    }

    pub(crate) fn return_record(&self) {
        self.records.fetch_sub(1, Relaxed);
    }

    pub(crate) fn return_bytes(&self, bytes: usize) {
        if bytes > 0 {
            self.bytes.fetch_sub(bytes, Relaxed);
        }
    }

    pub(crate) fn count_eviction(&self) {
        self.evicted.fetch_add(1, Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
        }
    }
}

fn take(count: &AtomicUsize, amount: usize, max: usize) -> bool {
    count
        .fetch_update(Relaxed, Relaxed, |now| {
            now.checked_add(amount).filter(|after| *after <= max)
        })
        .is_ok()
}
