//! One file for each sender.

mod adyen_payments;
mod adyen_platform;
#[cfg(feature = "rsa")]
mod aws_sns;
mod calendly;
#[cfg(feature = "ed25519")]
mod discord;
mod dropbox;
mod github;
mod gitlab;
mod hubspot;
mod intercom;
mod lemonsqueezy;
mod linear;
mod mailgun;
mod meta;
mod paddle;
#[cfg(feature = "rsa")]
mod paypal;
#[cfg(feature = "p256")]
mod plaid;
mod razorpay;
#[cfg(feature = "p256")]
mod sendgrid;
mod shopify;
mod slack;
mod square;
mod standard_webhooks;
#[cfg(feature = "ed25519")]
mod standard_webhooks_v1a;
mod stripe;
mod telegram;
mod twilio;
mod typeform;
mod workos;
mod zoom;

#[cfg(feature = "ed25519")]
pub(crate) use self::standard_webhooks_v1a::v1a_form;
pub use self::{
    adyen_payments::{AdyenPaymentsScheme, adyen_payments},
    adyen_platform::adyen_platform,
    calendly::calendly,
    dropbox::dropbox,
    github::github,
    gitlab::{gitlab_signed, gitlab_token},
    hubspot::hubspot_v3,
    intercom::intercom,
    lemonsqueezy::lemonsqueezy,
    linear::linear,
    mailgun::{MailgunScheme, mailgun},
    meta::meta,
    paddle::paddle,
    razorpay::razorpay,
    shopify::{shopify, shopify_events},
    slack::slack,
    square::square,
    standard_webhooks::{clerk, openai, standard_webhooks, svix},
    stripe::stripe,
    telegram::telegram,
    twilio::{TwilioProgress, TwilioScheme, twilio, twilio_shared_key},
    typeform::typeform,
    workos::workos,
    zoom::zoom,
};
#[cfg(feature = "rsa")]
pub use self::{
    aws_sns::{NoTopics, SnsScheme, SnsSubscription, aws_sns},
    paypal::{PayPalProgress, PayPalScheme, paypal},
};
#[cfg(feature = "ed25519")]
pub use self::{discord::discord, standard_webhooks_v1a::standard_webhooks_v1a};
#[cfg(feature = "p256")]
pub use self::{
    plaid::{PlaidProgress, PlaidScheme, plaid},
    sendgrid::{SendGridScheme, sendgrid},
};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderName;

use crate::encoding::{ANY_CASE, hex};
use crate::secret::Fault;

/// Base64 of a key, as people paste it: with its padding or without.
const PASTED: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn base64_key(text: &[u8]) -> Result<Vec<u8>, Fault> {
    PASTED
        .decode(text)
        .map_err(|_| Fault::Encoding("base64 of a key"))
}

pub(crate) fn hex_key(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut key = vec![0; text.len() / 2];
    hex(text, &mut key, &ANY_CASE).ok_or(Fault::Encoding("hex digits of a key"))?;
    Ok(key)
}

const fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}
