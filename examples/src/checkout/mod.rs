//! A shop that charges every order exactly once, through a provider that misbehaves.

pub mod provider;
