//! Behaviour of the inbound side, scenario by scenario.

mod caps;
mod chaos;
mod faults;
mod keys;
mod kit;
mod leases;
mod life;
mod races;
mod replay;
mod scope;
mod sockets;
mod webhooks;
mod wrappers;
