use std::error::Error;
use std::fmt;

use zeroize::Zeroizing;

/// The most secrets that one sender can have at a time.
const MOST: usize = 4;

/// The secrets of one sender: usually one, several while they are being rotated.
///
/// Anything text-like converts into it, and so does a list of up to four. Memory is wiped when it
/// is dropped; `Debug` shows only how many there are. Whether a secret may be used is found when a
/// scheme is made of it, since each sender writes its secrets in its own way.
///
/// ```
/// use buttress_webhook::{Secrets, stripe};
///
/// stripe("whsec_new")?;
/// stripe(["whsec_new", "whsec_old"])?;
/// assert!(stripe("").is_err());
/// assert_eq!(format!("{:?}", Secrets::from("hunter2")), "Secrets(1)");
/// # Ok::<(), buttress_webhook::InvalidSecret>(())
/// ```
#[derive(Clone)]
pub struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// Parses each one, in order.
    ///
    /// # Errors
    /// [`InvalidSecret`] when there is none, when there are more than four, or when one is empty or
    /// does not parse.
    pub(crate) fn parse<T>(
        &self,
        mut parse: impl FnMut(&[u8]) -> Result<T, Fault>,
    ) -> Result<Vec<T>, InvalidSecret> {
        if self.0.is_empty() {
            return Err(InvalidSecret::new(0, Fault::None));
        }
        if self.0.len() > MOST {
            return Err(InvalidSecret::new(MOST, Fault::TooMany));
        }
        self.0
            .iter()
            .enumerate()
            .map(|(index, secret)| {
                if secret.is_empty() {
                    return Err(InvalidSecret::new(index, Fault::Empty));
                }
                parse(secret).map_err(|fault| InvalidSecret::new(index, fault))
            })
            .collect()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl From<&str> for Secrets {
    fn from(secret: &str) -> Self {
        Self(vec![Zeroizing::new(secret.into())])
    }
}

impl From<String> for Secrets {
    fn from(secret: String) -> Self {
        Self(vec![Zeroizing::new(secret.into_bytes())])
    }
}

impl From<&[u8]> for Secrets {
    fn from(secret: &[u8]) -> Self {
        Self(vec![Zeroizing::new(secret.into())])
    }
}

impl From<Vec<u8>> for Secrets {
    fn from(secret: Vec<u8>) -> Self {
        Self(vec![Zeroizing::new(secret)])
    }
}

impl<T: Into<Secrets>, const N: usize> From<[T; N]> for Secrets {
    fn from(secrets: [T; N]) -> Self {
        secrets.into_iter().collect()
    }
}

impl<T: Into<Secrets>> FromIterator<T> for Secrets {
    fn from_iter<I: IntoIterator<Item = T>>(secrets: I) -> Self {
        Self(
            secrets
                .into_iter()
                .flat_map(|secret| secret.into().0)
                .collect(),
        )
    }
}

/// What is wrong with a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Empty,
    Encoding(&'static str),
    Length(&'static str),
    None,
    TooMany,
    WrongKind(&'static str),
}

/// A scheme cannot be made of this secret.
///
/// It names the secret by its place, never by its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidSecret {
    index: usize,
    fault: Fault,
}

impl InvalidSecret {
    pub(crate) const fn new(index: usize, fault: Fault) -> Self {
        Self { index, fault }
    }

    /// Its place among the secrets given, counted from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }
}

impl fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.index;
        match self.fault {
            Fault::Empty => write!(f, "secret {index} is empty"),
            Fault::Encoding(expected) | Fault::WrongKind(expected) => {
                write!(f, "secret {index} is not {expected}")
            }
            Fault::Length(expected) => write!(f, "secret {index} does not have {expected}"),
            Fault::None => f.write_str("no secret"),
            Fault::TooMany => write!(f, "more than {MOST} secrets"),
        }
    }
}

impl Error for InvalidSecret {}
