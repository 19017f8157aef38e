use std::time::Duration;

use crate::StoredResponse;

/// What became of an attempt to settle or renew a claim.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use]
pub enum Settled {
    /// The record was changed as asked.
    Applied,
    /// The record stood so already: an earlier try arrived and its answer did not.
    AlreadyApplied,
    /// The claim is no longer the caller's, or the record no longer open. Nothing was changed.
    Lost,
}

/// What somebody who looked found out about an [`Unknown`](crate::Unknown).
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// It was executed, and this is the answer to give from now on.
    Completed {
        /// What repeats are answered.
        response: StoredResponse,
        /// How long.
        retention: Duration,
    },
    /// It was certainly not executed, and never will be by the lost owner: the key is free again.
    NotExecuted,
}
