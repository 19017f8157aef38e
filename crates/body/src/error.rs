use std::error::Error;
use std::fmt;

/// Why a body cannot be sent once more.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NotReplayable {
    /// Its source failed, so nobody knows the rest.
    Failed,
    /// It was made to be sent once; see [`ReplayBody::once`](crate::ReplayBody::once).
    Once,
    /// It is larger than its cap.
    TooLarge,
}

impl fmt::Display for NotReplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "request body failed and cannot be replayed",
            Self::Once => "request body can be sent only once",
            Self::TooLarge => "request body is too large to be replayed",
        })
    }
}

impl Error for NotReplayable {}

/// A newer clone of this [`ReplayBody`](crate::ReplayBody) reads the source now.
///
/// An attempt that was given up sees this when its connection still asks for more of the body.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Superseded(pub(crate) ());

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request body was taken over by a newer attempt")
    }
}

impl Error for Superseded {}

/// A body has more bytes than its reader accepts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TooLarge {
    cap: usize,
}

impl TooLarge {
    pub(crate) const fn new(cap: usize) -> Self {
        Self { cap }
    }

    /// The most bytes that would have been accepted.
    #[must_use]
    pub const fn cap(&self) -> usize {
        self.cap
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "body exceeds {} bytes", self.cap)
    }
}

impl Error for TooLarge {}
