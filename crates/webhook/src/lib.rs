#![doc = include_str!("../README.md")]

mod boxed;
#[cfg(feature = "rsa")]
mod crc32;
#[cfg(feature = "ed25519")]
mod ed25519;
mod encoding;
mod form;
mod future;
mod head;
mod hmac;
mod intake;
#[cfg(any(feature = "ed25519", feature = "p256", feature = "rsa"))]
mod invalid_key;
mod json;
#[cfg(any(feature = "p256", feature = "rsa"))]
mod keys;
mod layer;
mod mac;
mod message;
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

#[cfg(feature = "ed25519")]
pub use self::ed25519::{Ed25519Progress, Ed25519Scheme, StandardWebhooksV1aSigner};
#[cfg(any(feature = "ed25519", feature = "p256", feature = "rsa"))]
pub use self::invalid_key::InvalidKey;
#[cfg(feature = "rsa")]
pub use self::keys::CertificateSource;
#[cfg(feature = "p256")]
pub use self::keys::PlaidKeys;
#[cfg(any(feature = "p256", feature = "rsa"))]
pub use self::keys::{
    KeyClient, KeyError, KeyFuture, StaticKeys, VerifyingKey, VerifyingKeySource,
};
pub use self::{
    boxed::BoxScheme,
    encoding::Encoding,
    future::ResponseFuture,
    head::{decimal, optional, single},
    hmac::{HmacBuilder, HmacProgress, HmacScheme, Part, SignError, Signature, Timestamp},
    layer::WebhookVerifyLayer,
    mac::Algorithm,
    message::{
        MessageKey, MessageSignatureBuilder, MessageSignatureProgress, MessageSignatureScheme,
    },
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
