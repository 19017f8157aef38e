#![doc = include_str!("../README.md")]

mod builder;
mod full;
mod room;
mod schedule;
mod shard;
mod slab;
mod store;
mod table;
mod telemetry;

pub use self::{builder::Builder, full::Full, room::Usage, store::MemoryStore};
