//! A payment provider with Stripe's key semantics, which misbehaves as planned.
//!
//! ```text
//! server     sockets and routes; every planned fault happens here
//!   plan       which fault each attempt of each order meets
//!   keys       what is remembered under an idempotency key
//!   ledger     the charges
//!   search     the charges of one order, a little behind
//!   outage     nobody listens for a while
//!   webhooks   what it tells the shop
//!   line       a connection that can be reset
//!   delivery   a body that may arrive badly
//! ```

mod charge;
mod delivery;
mod keys;
mod ledger;
mod line;
mod outage;
mod plan;
mod search;
mod server;
mod state;
mod webhooks;

pub use self::{
    ledger::Charge,
    plan::{Fault, Faults, Plan},
    state::{Book, Provider, Settings},
    webhooks::{Posted, Webhooks},
};
