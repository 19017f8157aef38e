#![doc = include_str!("../README.md")]

mod cause;
mod future;
mod layer;
mod ours;
mod service;
mod table;
mod telemetry;

pub use self::{
    cause::Cause, future::ResponseFuture, layer::ProblemLayer, service::AnswerProblems,
};
