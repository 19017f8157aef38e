//! The shape that most senders share: an HMAC over some of the head and the body.

mod builder;
mod form;
mod scheme;
mod sign;
mod time;

pub use self::{
    builder::HmacBuilder,
    form::Signature,
    scheme::{HmacProgress, HmacScheme, Part},
    sign::SignError,
    time::Timestamp,
};

#[cfg(feature = "ed25519")]
pub(crate) use self::scheme::{digits, feed};
pub(crate) use self::time::{near, since_epoch};
