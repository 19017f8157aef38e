//! Behaviour of the inbound side, scenario by scenario: see `SCENARIOS.md` beside this folder.

mod caps;
mod chaos;
#[cfg(feature = "metrics")]
mod counts;
mod disconnect;
mod faults;
mod keys;
mod kit;
mod leases;
mod life;
mod races;
mod replay;
mod scope;
mod sockets;
mod versions;
mod webhooks;
mod wrappers;
