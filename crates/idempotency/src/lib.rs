#![doc = include_str!("../README.md")]

#[cfg(feature = "inbound")]
mod inbound;
mod layer;
mod outbound;
mod telemetry;

#[cfg(feature = "inbound")]
pub use self::inbound::{
    BuildError, CutShort, Execution, Executions, Inbound, InboundBuilder, InboundFuture,
    InboundIdempotencyKey, Received, Reconciled, Recorded, Unresolved, child_key,
};
pub use self::{
    layer::IdempotencyKeyLayer,
    outbound::{
        KeyRefused, Operation, Outbound, OutboundIdempotencyKey, OutboundKey, Peeked, Refusal,
        ResponseFuture,
    },
};
