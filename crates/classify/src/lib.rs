#![doc = include_str!("../README.md")]

mod classify;
mod error_classifier;
mod find;
mod grpc_classifier;
mod hints;
mod http;
mod http_classifier;
mod opinion;
mod retry_after;
mod status;
mod verdict;
mod walk;

pub use self::{
    classify::{Classify, classify_fn},
    error_classifier::ErrorClassifier,
    find::{chain, find},
    grpc_classifier::GrpcClassifier,
    http::{Http, HttpOutcome, http},
    http_classifier::HttpClassifier,
    opinion::Opinion,
    retry_after::{retry_after, retry_after_by},
    verdict::{Class, Health, Sent, Verdict},
};

/// Any error that may cross threads: what layers return and classifiers read.
pub type DynError = dyn std::error::Error + Send + Sync + 'static;

/// The owned form of [`DynError`].
pub type BoxError = Box<DynError>;
