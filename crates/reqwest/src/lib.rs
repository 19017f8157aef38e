// The examples talk to reqwest 0.13, so they are tested where it is.
#![cfg_attr(
    any(feature = "reqwest-0-13", not(doctest)),
    doc = include_str!("../README.md")
)]

#[cfg(any(feature = "reqwest-0-12", feature = "reqwest-0-13"))]
mod future;
mod service;

#[cfg(any(feature = "reqwest-0-12", feature = "reqwest-0-13"))]
pub use self::future::ResponseFuture;
pub use self::service::Reqwest;
