use std::time::Duration;

use crate::{Claim, Fingerprint, RecordKey, StoredResponse, Token};

/// What becomes of a key whose owner's lease ran out.
///
/// There is no default: only the application knows whether its handler may run twice.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OrphanPolicy {
    /// The next to begin executes again. For handlers whose own effects are idempotent.
    ReExecute,
    /// Nobody executes: the outcome is unknown until somebody who looked it up adopts the key.
    Refuse,
}

/// What [`begin`](crate::IdempotencyStore::begin) is asked.
#[derive(Clone, Copy, Debug)]
pub struct BeginRequest {
    /// What to claim.
    pub key: RecordKey,
    /// What the key is used for, this time.
    pub fingerprint: Fingerprint,
    /// The name of the claim. A repeat of the same begin carries the same token.
    pub token: Token,
    /// How long the claim lives without renewal, on the store's clock.
    pub lease: Duration,
    /// How long the store remembers, after its lease has ended, a claim that nobody settled, under
    /// [`ReExecute`](OrphanPolicy::ReExecute). Under [`Refuse`](OrphanPolicy::Refuse) it never forgets.
    pub retention: Duration,
    /// What becomes of the key if the lease runs out.
    pub orphan: OrphanPolicy,
}

/// What [`begin`](crate::IdempotencyStore::begin) found.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Begin {
    /// The caller alone may execute.
    Acquired(Claim),
    /// It was executed: here is the answer.
    Completed {
        /// What was answered.
        response: StoredResponse,
        /// How long the store still keeps it: for those who keep a copy.
        expires_in: Duration,
    },
    /// Somebody executes it now.
    InProgress {
        /// When the lease ends if nobody renews it; never more than the lease.
        retry_after: Duration,
    },
    /// The key was used for something else. Nothing was changed.
    Mismatch,
    /// An execution was lost and its outcome is unknown; only
    /// [`adopt`](crate::IdempotencyStore::adopt) or its own claim settles it.
    OutcomeUnknown,
}
