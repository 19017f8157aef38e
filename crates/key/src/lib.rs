#![doc = include_str!("../README.md")]

mod charset;
mod profile;
mod verdict;

pub use self::{
    charset::Charset,
    profile::{Profile, Stores},
};
