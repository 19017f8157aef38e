use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use crate::{BoxError, Refused, VerifyingKey};

/// Ends in a key, or in the reason why there is none.
pub type KeyFuture = Pin<Box<dyn Future<Output = Result<VerifyingKey, KeyError>> + Send>>;

/// Where the public key comes from that a delivery names: by the URL of its certificate (AWS SNS,
/// PayPal), or by an id (Plaid).
///
/// The name is the attacker's to choose, for it is read before anything is verified. The schemes look
/// at its form; a source must fetch nothing but what the sender itself publishes, keep what it has
/// fetched, remember what does not exist, and bound how much it does at a time. The sources of this crate
/// do all that, on your own HTTP client; [`StaticKeys`] fetches nothing.
pub trait VerifyingKeySource: Send + Sync + 'static {
    /// The key of this name. `now` is the time of the delivery.
    fn key(&self, name: &str, now: SystemTime) -> KeyFuture;
}

impl<S: VerifyingKeySource + ?Sized> VerifyingKeySource for Arc<S> {
    fn key(&self, name: &str, now: SystemTime) -> KeyFuture {
        (**self).key(name, now)
    }
}

/// Why there is no key.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// The sender has no key of this name, or it may not be used: the delivery is refused with 401.
    Unknown,
    /// It cannot be had now: the sender is asked to try again, with 503.
    Unavailable(BoxError),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no such key",
            Self::Unavailable(_) => "the key cannot be had now",
        })
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unknown => None,
            Self::Unavailable(error) => Some(&**error),
        }
    }
}

impl From<KeyError> for Refused {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unknown => Self::Forbidden,
            KeyError::Unavailable(error) => {
                crate::telemetry::unresolved(&*error);
                Self::Unavailable
            }
        }
    }
}

/// Keys that are known beforehand; nothing is fetched.
#[derive(Clone, Debug, Default)]
pub struct StaticKeys(HashMap<String, VerifyingKey>);

impl StaticKeys {
    /// No keys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key under a name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, key: VerifyingKey) -> Self {
        self.0.insert(name.into(), key);
        self
    }
}

impl VerifyingKeySource for StaticKeys {
    fn key(&self, name: &str, _now: SystemTime) -> KeyFuture {
        let key = self.0.get(name).cloned().ok_or(KeyError::Unknown);
        Box::pin(std::future::ready(key))
    }
}
