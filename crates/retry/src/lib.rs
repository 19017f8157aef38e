#![doc = include_str!("../README.md")]

mod attempts;
mod budget;
mod decision;
mod drain;
mod error;
mod future;
mod layer;
mod operation;
mod policy;
mod service;
mod telemetry;
mod window;

pub use self::{
    attempts::{Attempt, Attempts, Outcome, Reason},
    budget::Budget,
    error::Exhausted,
    future::ResponseFuture,
    layer::RetryLayer,
    service::Retry,
};
