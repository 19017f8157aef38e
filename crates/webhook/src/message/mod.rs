//! HTTP message signatures (RFC 9421) with content digests (RFC 9530).

mod builder;
mod component;
mod digest;
mod input;
mod key;
mod scheme;
mod structured;

pub use self::{
    builder::MessageSignatureBuilder,
    key::MessageKey,
    scheme::{MessageSignatureProgress, MessageSignatureScheme},
};
