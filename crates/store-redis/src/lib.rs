#![doc = include_str!("../README.md")]

mod begin;
mod builder;
mod check;
mod cluster;
mod confirmation;
mod failure;
mod info;
mod layout;
mod link;
mod listener;
mod reply;
mod scan;
mod script;
mod single;
mod store;
mod telemetry;
mod wait;
mod waiters;

pub use self::{
    builder::Builder, check::Unfit, confirmation::Confirmation, listener::Listener,
    store::RedisStore,
};
