use std::error::Error;
use std::fmt;

/// What was given is no public key of a kind that is built in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidKey(());

impl InvalidKey {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a public key of a known kind")
    }
}

impl Error for InvalidKey {}
