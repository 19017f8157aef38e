use std::error::Error;
use std::fmt;

/// A text is no idempotency key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidKey(Flaw);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    Character,
    Empty,
    Escape,
    TooLong,
    Trailing,
    Unterminated,
}

impl From<Flaw> for InvalidKey {
    fn from(flaw: Flaw) -> Self {
        Self(flaw)
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Flaw::Character => "idempotency key with a character that is not printable ASCII",
            Flaw::Empty => "empty idempotency key",
            Flaw::Escape => "idempotency key with an escape other than \\\" and \\\\",
            Flaw::TooLong => "idempotency key longer than 255 characters",
            Flaw::Trailing => "text after the idempotency key that is no parameter",
            Flaw::Unterminated => "quoted idempotency key without a closing quote",
        })
    }
}

impl Error for InvalidKey {}

/// A key is not one that the provider takes.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Misfit {
    /// It has a character outside the provider's set.
    Character,
    /// It is longer than this many characters.
    TooLong(usize),
    /// It is shorter than this many characters.
    TooShort(usize),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character => f.write_str("key with a character that the provider does not take"),
            Self::TooLong(max) => write!(f, "key longer than the provider's {max} characters"),
            Self::TooShort(min) => write!(f, "key shorter than the provider's {min} characters"),
        }
    }
}

impl Error for Misfit {}

/// The operating system had no random bytes for a key.
#[derive(Clone, Debug)]
pub struct NoEntropy(pub(crate) getrandom::Error);

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no random bytes for an idempotency key")
    }
}

impl Error for NoEntropy {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
