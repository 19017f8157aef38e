//! Histories of calls through a circuit breaker, each with what the circuit must make of them.
//!
//! The format is described in `tests/vectors/README.md`.

mod circuit;
mod scenario;

pub use self::scenario::{File, Scenario};
