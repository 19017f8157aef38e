#![doc = include_str!("../README.md")]

mod error;
mod exclusive;
mod replay;
mod shared;

pub use self::{
    error::{NotReplayable, Superseded},
    replay::ReplayBody,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
