#![doc = include_str!("../README.md")]

mod classify;
mod find;
mod http;
mod opinion;
mod verdict;

pub use self::{
    classify::Classify,
    find::{chain, find},
    http::{Http, HttpOutcome, http},
    opinion::Opinion,
    verdict::{Class, Health, Sent, Verdict},
};

/// Any error that may cross threads: what layers return and classifiers read.
pub type DynError = dyn std::error::Error + Send + Sync + 'static;

/// The owned form of [`DynError`].
pub type BoxError = Box<DynError>;
