//! The receiver's side: who executes a request, and what its repeats are answered.

mod beside;
mod body;
mod builder;
mod error;
mod execute;
mod execution;
mod executions;
mod future;
mod identity;
mod intake;
mod job;
mod layer;
mod outlet;
mod pipe;
mod problems;
mod reconcile;
mod replay;
mod service;
mod settings;
mod settle;
mod subject;
mod tee;
mod unwind;
mod waiters;
mod work;

pub(crate) use self::problems::Refused;
pub use self::{
    body::{Received, Recorded},
    builder::InboundBuilder,
    error::{BuildError, CutShort},
    execution::{Execution, child_key},
    executions::Executions,
    future::InboundFuture,
    layer::Inbound,
    reconcile::{Reconciled, Unresolved},
    service::InboundIdempotencyKey,
};
