#![doc = include_str!("../README.md")]

mod batch;
mod builder;
mod claims;
mod clock;
mod core;
mod failure;
mod lock;
mod lookup;
mod row;
mod sql;
mod store;
mod tally;
mod telemetry;
mod writer;

pub use self::{builder::Builder, lock::Locked, store::SqliteStore, tally::LostCommits};
