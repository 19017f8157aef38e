use crate::{RecordKey, Token};

/// The exclusive right to execute one key, as long as its lease lives.
///
/// A value that names the right and no guard over it: whoever holds it settles it by
/// [`complete`](crate::IdempotencyStore::complete) or
/// [`release`](crate::IdempotencyStore::release), or lets the lease run out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Claim {
    key: RecordKey,
    token: Token,
    execution: u32,
}

impl Claim {
    /// The claim of `token` on `key`; for stores.
    pub const fn new(key: RecordKey, token: Token, execution: u32) -> Self {
        Self {
            key,
            token,
            execution,
        }
    }

    /// What is claimed.
    #[must_use]
    pub const fn key(&self) -> &RecordKey {
        &self.key
    }

    /// Who claims it.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.token
    }

    /// 1 for a key that was free, and 1 more after each lost lease.
    #[must_use]
    pub const fn execution(&self) -> u32 {
        self.execution
    }
}

/// A key whose last execution ended nobody knows how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unknown {
    key: RecordKey,
    execution: u32,
}

impl Unknown {
    /// The unknown outcome of this execution of `key`; for stores.
    #[must_use]
    pub const fn new(key: RecordKey, execution: u32) -> Self {
        Self { key, execution }
    }

    /// Which key. What the handler sent outside under a child key can be found by deriving it again.
    #[must_use]
    pub const fn key(&self) -> &RecordKey {
        &self.key
    }

    /// Which execution was lost.
    #[must_use]
    pub const fn execution(&self) -> u32 {
        self.execution
    }
}
