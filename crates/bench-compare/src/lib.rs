#![doc = include_str!("../README.md")]

pub mod clock;
pub mod failure;
pub mod stats;
pub mod table;
