use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use super::Cause;
use crate::{Verdict, find};

/// The errors that tower's own layers add.
pub(super) fn judge(error: &Cause) -> Option<Verdict> {
    if find::<Elapsed>(error).is_some() {
        return Some(Verdict::transient("timeout"));
    }
    find::<Overloaded>(error).map(|_shed| Verdict::refused("overloaded"))
}
