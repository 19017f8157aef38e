//! What the tests that cross crates share: a peer that misbehaves, and the clients that meet it.

pub mod chains;
pub mod clients;
pub mod peer;
pub mod vectors;
