#![doc = include_str!("../README.md")]

mod charset;
mod custom;
mod error;
mod fingerprint;
mod key;
mod mac;
mod profile;
mod published;
mod secret;
mod syntax;
mod verdict;

pub use self::{
    charset::Charset,
    custom::{InvalidProfile, ProfileBuilder},
    error::{InvalidKey, Misfit, NoEntropy},
    fingerprint::{Fingerprint, UnreadableFingerprint},
    key::{IdempotencyKey, KeyHash},
    profile::{KeyInBody, Profile, Stores, Syntax},
    secret::{DerivationSecret, WeakSecret},
};
