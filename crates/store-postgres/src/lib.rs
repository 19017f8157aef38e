#![doc = include_str!("../README.md")]

mod failure;
mod hub;
mod listener;
mod records;
mod row;
mod sql;
mod statement;
mod store;
mod telemetry;

pub use self::{listener::Listener, store::PostgresStore};
