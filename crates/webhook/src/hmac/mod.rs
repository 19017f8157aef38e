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

pub(crate) use self::{
    scheme::feed,
    time::{near, since_epoch},
};
