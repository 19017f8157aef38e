//! The ordered walk over an error and its causes: what each client's errors mean.

mod io;

use crate::{DynError, Opinion, Verdict, find};

/// What `error` means, or nothing if no cause in its chain is known.
#[cold]
pub(crate) fn judge(error: &DynError) -> Option<Verdict> {
    if let Some(opinion) = find::<Opinion>(error) {
        return Some(opinion.verdict);
    }
    io::judge(error)
}
