//! The shape that most senders share: an HMAC over some of the head and the body.

mod builder;
mod form;
mod opening;
mod part;
mod scheme;
mod shape;
mod sign;
mod time;

pub use self::{
    builder::HmacBuilder, form::Signature, opening::HmacProgress, part::Part, scheme::HmacScheme,
    sign::SignError, time::Timestamp,
};

#[cfg(feature = "ed25519")]
pub(crate) use self::part::{digits, feed};
pub(crate) use self::time::{near, since_epoch};
