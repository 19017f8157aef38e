//! The scheme that a vector is for.

use std::fmt::Display;
use std::time::Duration;

use buttress_webhook::{
    BoxScheme, PublicUrl, Scheme, adyen_payments, adyen_platform, calendly, clerk, dropbox, github,
    gitlab_signed, gitlab_token, hubspot_v3, intercom, lemonsqueezy, linear, mailgun, meta, openai,
    paddle, razorpay, shopify, slack, square, standard_webhooks, stripe, svix, telegram, twilio,
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

pub(super) fn of(vector: &Vector) -> Result<BoxScheme, Error> {
    let secret = vector.secret.as_str();
    let url = || PublicUrl::exact(&vector.url).map_err(refused);
    match vector.provider.as_str() {
        "adyen-payments" => boxed(adyen_payments(secret)),
        "adyen-platform" => boxed(adyen_platform(secret)),
        "calendly" => boxed(calendly(secret)),
        "clerk" => boxed(clerk(secret)),
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
        "razorpay" => boxed(razorpay(secret)),
        "shopify" => boxed(shopify(secret)),
        "slack" => boxed(slack(secret)),
        "square" => boxed(square(url()?, secret)),
        "standard-webhooks" => boxed(standard_webhooks(secret)),
        "stripe" => boxed(stripe(secret)),
        "svix" => boxed(svix(secret)),
        "telegram" => boxed(telegram(secret)),
        "twilio" => boxed(twilio(url()?, secret)),
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
