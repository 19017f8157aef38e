#![doc = include_str!("../README.md")]
// Each clause panics when it is broken, and its name says what that means.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used
)]

mod begin;
mod data;
mod drops;
mod history;
mod model;
mod orphan;
mod poll;
mod races;
mod settle;
mod stage;
mod suite;
mod upkeep;

pub use self::{
    begin::*,
    data::*,
    drops::*,
    history::*,
    orphan::*,
    races::*,
    settle::*,
    stage::{Clock, Paused, Real, Stage},
    upkeep::*,
};
