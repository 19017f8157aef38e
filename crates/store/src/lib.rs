#![doc = include_str!("../README.md")]

mod begin;
mod capabilities;
mod claim;
mod codec;
mod error;
mod fingerprint;
mod key;
mod record;
mod response;
mod settle;
mod store;
mod token;

pub use self::{
    begin::{Begin, BeginRequest, OrphanPolicy},
    capabilities::{Capabilities, Durability},
    claim::{Claim, Unknown},
    error::{StoreError, StoreErrorKind},
    fingerprint::Fingerprint,
    key::RecordKey,
    record::{Record, State, Step},
    response::StoredResponse,
    settle::{Resolution, Settled},
    store::{IdempotencyStore, StoreFuture},
    token::Token,
};
