//! The law of order rows.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{StoreError, StoreFuture, Token};

use crate::checkout::shop::row::Row;

/// Who drives an order, and how long the right to do so lives without renewal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hold {
    /// Drawn for each hold, so that no two lives of an order are taken for one, not even two of the
    /// same process.
    pub holder: Token,
    /// On the backend's clock, from when the call arrives there.
    pub lease: Duration,
}

impl Hold {
    /// A new hold.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn new(lease: Duration) -> Result<Self, StoreError> {
        let holder = Token::random()?;
        Ok(Self { holder, lease })
    }
}

/// A row as it stands.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The row.
    pub row: Row,
    /// 1 for the first, and 1 more with each [`RowStore::swap`] and each [`RowStore::take`].
    pub revision: u64,
    /// Whose hold on it lives.
    pub holder: Option<Token>,
}

/// Where order rows are kept.
///
/// # The law, for backends
///
/// 1. **Durable before it returns.** What `insert` and `swap` have written survives the death of
///    the process, at least: the shop sends its first byte to the provider after that.
/// 2. **Compare and set.** Every change is one atomic step that compares the revision, the holder,
///    or the absence of the row. Nothing is lost between two processes that change the same row.
/// 3. **One holder.** Of an order, at most one hold lives. Only its holder drives the order: sends
///    its charge, or gives it another key. `take` raises the revision, so that whatever a former
///    holder still wants to write does not fit any more.
/// 4. **The backend's clock decides** when a hold has ended. Where one process has the rows to
///    itself, all holds of the process before have ended when it opens them.
/// 5. **An error is never "absent"**, nor "not held".
///
/// Dropping a call is allowed at every await; the change then happened or did not.
pub trait RowStore: fmt::Debug + Send + Sync + 'static {
    /// Writes the first row of an order, held; `false`, and nothing is changed, if it has one.
    ///
    /// # Errors
    /// Any; [`Indeterminate`](buttress_store::StoreErrorKind::Indeterminate) if it may be written.
    fn insert<'a>(&'a self, row: &'a Row, hold: Hold) -> StoreFuture<'a, bool>;

    /// The row of this order.
    ///
    /// # Errors
    /// Any.
    fn get<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<Stored>>;

    /// Replaces the row of its order if `revision` is still that of the row that stands there.
    /// Whoever holds it goes on holding it.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    fn swap<'a>(&'a self, row: &'a Row, revision: u64) -> StoreFuture<'a, bool>;

    /// Takes an order that nobody holds; `None` if there is none, or somebody does.
    ///
    /// # Errors
    /// Any; the order may then be held until the lease ends.
    fn take<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, Option<Stored>>;

    /// Lets a hold live for its lease from now on; `false` if it is somebody else's now.
    ///
    /// # Errors
    /// Any; the hold then ends when it would have, or is renewed.
    fn renew<'a>(&'a self, id: &'a str, hold: Hold) -> StoreFuture<'a, bool>;

    /// Ends a hold, if it still is the holder's.
    ///
    /// # Errors
    /// Any; the hold then ends with its lease.
    fn release<'a>(&'a self, id: &'a str, holder: Token) -> StoreFuture<'a, ()>;

    /// At most `limit` of the orders that are neither paid nor declined, and that nobody holds.
    ///
    /// # Errors
    /// Any.
    fn adrift(&self, limit: NonZeroUsize) -> StoreFuture<'_, Vec<String>>;

    /// At most `limit` rows, in the order of their ids, from the first after `after`; fewer than
    /// `limit` are the last.
    ///
    /// # Errors
    /// Any.
    fn page<'a>(&'a self, after: Option<&'a str>, limit: NonZeroUsize)
    -> StoreFuture<'a, Vec<Row>>;
}
