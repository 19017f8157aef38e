#![doc = include_str!("../README.md")]

mod answer;
mod collect;
mod collected;
mod error;
mod exclusive;
mod future;
mod gather;
mod layer;
mod replay;
mod service;
mod shared;

pub use self::{
    answer::Answer,
    collect::{CollectBody, Whole, collect},
    collected::Collected,
    error::{NotReplayable, Superseded, TooLarge},
    future::ResponseFuture,
    layer::CollectLayer,
    replay::ReplayBody,
    service::Collect,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
