use std::error::Error;
use std::fmt;

/// Every record in the store is a live or unknown claim, and no more fit.
///
/// The source of a [`StoreError`](buttress_store::StoreError) of the kind `Unavailable`: claims
/// make room as they are settled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Full {
    max_records: usize,
}

impl Full {
    pub(crate) const fn new(max_records: usize) -> Self {
        Self { max_records }
    }

    /// The number of records that fit.
    #[must_use]
    pub const fn max_records(&self) -> usize {
        self.max_records
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all {} records are claims in force", self.max_records)
    }
}

impl Error for Full {}
