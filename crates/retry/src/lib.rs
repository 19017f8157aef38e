#![doc = include_str!("../README.md")]

mod attempts;
mod budget;
mod decision;
mod error;
mod telemetry;
mod window;

pub use self::{
    attempts::{Attempt, Attempts, Outcome, Reason},
    budget::Budget,
    error::Exhausted,
};
