#![doc = include_str!("../README.md")]

#[cfg(feature = "axum")]
mod axum;
mod dedupe;
mod event;
mod id;
mod name;
mod names;
mod verified;

#[cfg(feature = "axum")]
pub use self::axum::EventRejection;
pub use self::{
    dedupe::{Dedupe, DedupeKey},
    event::{Event, NotVerified},
    id::EventId,
    name::Name,
    names::{Source, Tenant},
    verified::{Bound, Verified},
};
