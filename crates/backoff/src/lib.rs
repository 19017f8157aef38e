#![doc = include_str!("../README.md")]

mod backoff;
mod random;

pub use self::{
    backoff::{Backoff, Jitter, spread},
    random::{Random, thread_random},
};
