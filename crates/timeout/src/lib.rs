#![doc = include_str!("../README.md")]

mod alarm;
mod body;
mod clock;
mod error;
mod future;
mod layer;
mod service;
mod telemetry;
mod watch;

pub use self::{
    body::TimeoutBody,
    error::{Elapsed, Phase},
    future::{ExchangeFuture, HeadFuture},
    layer::{Exchange, Head, TimeoutLayer},
    service::Timeout,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
