#![doc = include_str!("../README.md")]

mod boxed;
mod encoding;
mod form;
mod future;
mod head;
mod hmac;
mod intake;
mod json;
mod layer;
mod mac;
mod public_url;
mod refused;
mod reply;
mod resolve;
mod scheme;
mod schemes;
mod secret;
mod service;
mod telemetry;
mod token;
mod verify;

pub use self::{
    boxed::BoxScheme,
    encoding::Encoding,
    future::ResponseFuture,
    head::{decimal, optional, single},
    hmac::{HmacBuilder, HmacProgress, HmacScheme, Part, SignError, Signature, Timestamp},
    layer::WebhookVerifyLayer,
    mac::Algorithm,
    public_url::{InvalidUrl, PublicUrl},
    refused::Refused,
    reply::Reply,
    resolve::{Fixed, Found, OrDecoy, PerTenant, Resolve, Tenants},
    scheme::{Covered, Delivery, Facts, IdKind, Scheme, Verdict},
    schemes::*,
    secret::{InvalidSecret, Secrets},
    service::WebhookVerify,
    token::TokenScheme,
    verify::verify,
};

/// An error of any kind, for tenant resolvers and key sources.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
