//! Real servers of a test's own, and what is asked of them.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod requests;
mod server;
mod trips;

pub(crate) use self::server::{Server, until};
pub(crate) use self::trips::RoundTrips;
