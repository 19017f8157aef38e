//! Senders that sign with Ed25519, verified strictly.

mod key;
mod scheme;
mod signer;

pub(crate) use self::key::Key;
pub(crate) use self::scheme::{Form, Id};
pub use self::{
    scheme::{Ed25519Progress, Ed25519Scheme},
    signer::StandardWebhooksV1aSigner,
};
