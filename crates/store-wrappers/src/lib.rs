#![doc = include_str!("../README.md")]

mod cache;
mod cached;
mod encrypted;
mod forward;
mod keyring;
mod meter;
mod metered;
mod telemetry;
mod time_limited;

pub use self::{
    cached::Cached,
    encrypted::Encrypted,
    keyring::{InvalidKey, Keyring},
    meter::{Meter, Operation},
    metered::Metered,
    time_limited::TimeLimited,
};
