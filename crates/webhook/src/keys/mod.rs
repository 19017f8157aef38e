//! Public keys that a delivery names, and where they come from.

mod cache;
#[cfg(feature = "rsa")]
mod certificates;
#[cfg(feature = "rsa")]
mod der;
mod fetch;
mod key;
#[cfg(feature = "p256")]
mod plaid;
mod source;

#[cfg(feature = "rsa")]
pub use self::certificates::CertificateSource;
#[cfg(feature = "rsa")]
pub(crate) use self::certificates::{is_paypal_certificate, is_sns_certificate, is_sns_host};
pub use self::fetch::KeyClient;
#[cfg(feature = "rsa")]
pub(crate) use self::key::RsaAlgorithm;
#[cfg(feature = "p256")]
pub use self::plaid::PlaidKeys;
pub use self::{
    key::VerifyingKey,
    source::{KeyError, KeyFuture, StaticKeys, VerifyingKeySource},
};
