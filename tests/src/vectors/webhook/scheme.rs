//! The scheme that a vector is for.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use buttress_webhook::{
    BoxScheme, InvalidUrl, KeyError, KeyFuture, PublicUrl, Scheme, SnsScheme, VerifyingKey,
    VerifyingKeySource, adyen_payments, adyen_platform, aws_sns, calendly, clerk, discord, dropbox,
    github, gitlab_signed, gitlab_token, hubspot_v3, intercom, lemonsqueezy, linear, mailgun, meta,
    openai, paddle, paypal, plaid, razorpay, sendgrid, shopify, shopify_events, slack, square,
    standard_webhooks, standard_webhooks_v1a, stripe, svix, telegram, twilio, twilio_shared_key,
    typeform, workos, zoom,
};

use super::Vector;

/// Paddle's libraries allow 5 seconds by default, and its vectors were checked by them. (Ours is 60.)
const PADDLE_WINDOW: Duration = Duration::from_secs(5);

pub(super) enum Error {
    /// The scheme cannot be made of this secret or URL.
    Refused(String),
    /// No scheme of this name.
    Unknown,
}

/// The vector's scheme, for the URL that it names.
pub(super) fn of(vector: &Vector) -> Result<BoxScheme, Error> {
    with(vector, &PublicUrl::exact(&vector.url))
}

/// As [`of`], but path and query are those of the request.
pub(super) fn at_origin(vector: &Vector) -> Result<BoxScheme, Error> {
    let host = vector.url.find("://").map_or(0, |at| at + 3);
    let end = vector.url[host..]
        .find('/')
        .map_or(vector.url.len(), |at| host + at);
    with(vector, &PublicUrl::origin(&vector.url[..end]))
}

fn with(vector: &Vector, url: &Result<PublicUrl, InvalidUrl>) -> Result<BoxScheme, Error> {
    let secret = vector.secret.as_str();
    let url = || url.clone().map_err(refused);
    match vector.provider.as_str() {
        "adyen-payments" => boxed(adyen_payments(secret)),
        "adyen-platform" => boxed(adyen_platform(secret)),
        // The library that checked these takes SHA-1 too.
        "aws-sns" => boxed(aws_sns(topics(secret), keys(vector)?).map(SnsScheme::allow_sha1)),
        "calendly" => boxed(calendly(secret)),
        "clerk" => boxed(clerk(secret)),
        "discord" => boxed(discord(secret)),
        "dropbox" => boxed(dropbox(secret)),
        "github" => boxed(github(secret)),
        "gitlab-signed" => boxed(gitlab_signed(secret)),
        "gitlab-token" => boxed(gitlab_token(secret)),
        "hubspot-v3" => boxed(hubspot_v3(url()?, secret)),
        "intercom" => boxed(intercom(secret)),
        "lemonsqueezy" => boxed(lemonsqueezy(secret)),
        "linear" => boxed(linear(secret)),
        "mailgun" => boxed(mailgun(secret)),
        "meta" => boxed(meta(secret, "a verify token")),
        "openai" => boxed(openai(secret)),
        "paddle" => boxed(paddle(secret).map(|scheme| scheme.window(PADDLE_WINDOW))),
        "paypal" => boxed(paypal(secret, keys(vector)?).map(|scheme| {
            if vector
                .headers
                .values()
                .any(|value| value.contains(".sandbox.paypal.com/"))
            {
                scheme.sandbox()
            } else {
                scheme
            }
        })),
        "plaid" => Ok(plaid(keys(vector)?).boxed()),
        "razorpay" => boxed(razorpay(secret)),
        "sendgrid" => boxed(sendgrid(secret)),
        "shopify" => boxed(shopify(secret)),
        "shopify-events" => boxed(shopify_events(secret)),
        "slack" => boxed(slack(secret)),
        "square" => boxed(square(url()?, secret)),
        "standard-webhooks" => boxed(standard_webhooks(secret)),
        "standard-webhooks-v1a" => boxed(standard_webhooks_v1a(secret)),
        "stripe" => boxed(stripe(secret)),
        "svix" => boxed(svix(secret)),
        "telegram" => boxed(telegram(secret)),
        "twilio" => boxed(twilio(url()?, secret)),
        "twilio-shared-key" => boxed(twilio_shared_key(url()?, secret)),
        "typeform" => boxed(typeform(secret)),
        "workos" => boxed(workos(secret)),
        "zoom" => boxed(zoom(secret)),
        _ => Err(Error::Unknown),
    }
}

fn boxed<S: Scheme, E: Display>(scheme: Result<S, E>) -> Result<BoxScheme, Error> {
    scheme.map(Scheme::boxed).map_err(refused)
}

fn refused(error: impl Display) -> Error {
    Error::Refused(error.to_string())
}

/// The topic of the vectors, where they name none.
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:T";

fn topics(secret: &str) -> Vec<&str> {
    match secret {
        "" => vec![TOPIC],
        topics => topics.split(',').collect(),
    }
}

/// The key that a receiver would fetch.
struct Published {
    /// `None`: whatever the name.
    name: Option<String>,
    key: VerifyingKey,
}

fn keys(vector: &Vector) -> Result<Published, Error> {
    let extra = &vector.extra;
    let (name, key) = match (&extra.cert_pem, &extra.jwk) {
        (Some(pem), _) => (
            extra.cert_url.clone(),
            VerifyingKey::from_certificate_pem(pem).map_err(refused)?,
        ),
        (None, Some(jwk)) => (
            jwk.get("kid")
                .and_then(|kid| kid.as_str())
                .map(str::to_owned),
            VerifyingKey::from_jwk(jwk).map_err(refused)?,
        ),
        (None, None) => return Err(Error::Refused("no key is published".to_owned())),
    };
    Ok(Published { name, key })
}

impl VerifyingKeySource for Published {
    fn key(&self, name: &str, _now: SystemTime) -> KeyFuture {
        let named = self.name.as_deref().is_none_or(|known| known == name);
        let key = named.then(|| self.key.clone()).ok_or(KeyError::Unknown);
        Box::pin(std::future::ready(key))
    }
}
