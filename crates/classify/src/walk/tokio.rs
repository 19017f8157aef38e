use tokio::time::error::Elapsed;

use super::Cause;
use crate::{Verdict, find};

/// A `tokio::time::timeout` around the call.
pub(super) fn judge(error: &Cause) -> Option<Verdict> {
    find::<Elapsed>(error).map(|_elapsed| Verdict::transient("timeout"))
}
