//! The sender's side: which key a request is sent with, and when it is not sent at all.

mod body;
mod derivation;
mod digest;
mod error;
mod future;
mod layer;
mod ledger;
mod operation;
mod rules;
mod service;

pub use self::{
    body::Peeked,
    error::{KeyRefused, Refusal},
    future::ResponseFuture,
    layer::Outbound,
    operation::{Operation, OutboundKey},
    service::OutboundIdempotencyKey,
};
