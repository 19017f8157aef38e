#![doc = include_str!("../README.md")]

mod layer;
mod outbound;
mod telemetry;

pub use self::{
    layer::IdempotencyKeyLayer,
    outbound::{
        KeyRefused, Operation, Outbound, OutboundIdempotencyKey, OutboundKey, Peeked, Refusal,
        ResponseFuture,
    },
};
