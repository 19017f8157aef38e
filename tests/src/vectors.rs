//! Test vectors kept as data, and what runs them.

pub mod breaker;
pub mod retry;
pub mod runner;
pub mod webhook;
