#![doc = include_str!("../README.md")]
// Tokio does not compile for the model checker, so it sees the circuit without its service.
#![cfg_attr(loom, allow(dead_code, unreachable_pub))]
#![allow(
    clippy::inline_always,
    reason = "a third of what a call through the layer costs is how its parts are passed on"
)]

mod audience;
mod circuit;
mod clock;
#[cfg(not(loom))]
mod deadline;
#[cfg(not(loom))]
mod draft;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod future;
mod handle;
#[cfg(not(loom))]
mod inner;
#[cfg(not(loom))]
mod judge;
#[cfg(not(loom))]
mod key;
#[cfg(not(loom))]
mod keyed;
#[cfg(not(loom))]
mod layer;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(not(loom))]
mod lru;
mod members;
mod moment;
mod pass;
#[cfg(not(loom))]
mod permit;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
mod service;
mod settings;
mod slot;
mod snapshot;
mod state;
mod status;
mod stream;
mod sync;
mod tally;
mod telemetry;
mod transition;
mod trial;
mod waiters;
mod window;

#[cfg(not(loom))]
pub use self::{
    deadline::{HttpDeadline, NoDeadline, ReadDeadline},
    error::{BuildError, Open},
    future::ResponseFuture,
    key::{CircuitKey, PerAuthority},
    keyed::{KeyedBuilder, KeyedCircuitBreaker, KeyedCircuitBreakerLayer},
    layer::{Builder, CircuitBreakerLayer},
    registry::CircuitHandles,
    service::CircuitBreaker,
};
pub use self::{
    handle::CircuitHandle,
    snapshot::Snapshot,
    stream::Transitions,
    transition::{Cause, State, Transition},
    window::Counts,
};
