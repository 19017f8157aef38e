use std::error::Error;
use std::fmt;

/// Settings are missing or contradict each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// The address of the documentation cannot stand in a header.
    BadLink,
    /// No method is covered.
    NoMethod,
    /// Nobody said what becomes of a key whose execution was lost.
    NoOrphanPolicy,
    /// Nobody said whose a key is.
    NoScope,
    /// The store's records outlive the process, and there is no secret that does.
    NoSecret,
    /// The lease is not renewed before it ends.
    RenewedTooLate,
    /// A lease, limit or retention is zero.
    ZeroDuration,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadLink => "the documentation's address cannot stand in a header",
            Self::NoMethod => "no method covered",
            Self::NoOrphanPolicy => "no policy for keys whose execution was lost",
            Self::NoScope => "no scope: whose is a key?",
            Self::NoSecret => "a store that outlives the process needs a secret that does",
            Self::RenewedTooLate => "the lease must be renewed at least twice before it ends",
            Self::ZeroDuration => "lease, renewal, retention and limits must be above zero",
        })
    }
}

impl Error for BuildError {}

/// The rest of an answer did not come: its execution ended, or lost its claim, half-way.
///
/// The client sees a broken body. A repeat with the same key tells what became of it.
#[derive(Clone, Copy, Debug)]
pub struct CutShort(());

impl CutShort {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the execution ended before its answer did")
    }
}

impl Error for CutShort {}
