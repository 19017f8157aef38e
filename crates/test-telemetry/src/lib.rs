//! Keep what is traced and counted, for tests of it.
//!
//! Tests of what is traced stand in a test binary of their own, in which *every* test calls
//! [`traces`] first: a callsite that any thread meets before there is a subscriber may stay off for
//! the whole process.

mod counts;
mod traces;

pub use self::{
    counts::Counts,
    traces::{Traces, traces},
};
