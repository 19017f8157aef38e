//! A sender's secrets as the scheme that verifies it.

use buttress_classify::BoxError;
use buttress_event::Source;
use buttress_webhook::{
    BoxScheme, CertificateSource, MessageKey, MessageSignatureScheme, PlaidKeys, PublicUrl, Scheme,
    Secrets, adyen_payments, adyen_platform, aws_sns, calendly, clerk, discord, dropbox, github,
    gitlab_signed, gitlab_token, hubspot_v3, intercom, lemonsqueezy, linear, mailgun, meta, openai,
    paddle, paypal, plaid, razorpay, sendgrid, shopify, shopify_events, slack, square,
    standard_webhooks, standard_webhooks_v1a, stripe, svix, telegram, twilio, twilio_shared_key,
    typeform, workos, zoom,
};

use super::keys;

/// Every source, in the order of their names.
pub(super) const NAMES: [&str; 37] = [
    "adyen-payments",
    "adyen-platform",
    "aws-sns",
    "calendly",
    "clerk",
    "discord",
    "dropbox",
    "github",
    "gitlab-signed",
    "gitlab-token",
    "hubspot-v3",
    "intercom",
    "lemonsqueezy",
    "linear",
    "mailgun",
    "message-signature",
    "meta",
    "openai",
    "paddle",
    "paypal",
    "plaid",
    "razorpay",
    "sendgrid",
    "shopify",
    "shopify-events",
    "slack",
    "square",
    "standard-webhooks",
    "standard-webhooks-v1a",
    "stripe",
    "svix",
    "telegram",
    "twilio",
    "twilio-shared-key",
    "typeform",
    "workos",
    "zoom",
];

/// What there is to say of a sender.
#[derive(Default)]
pub(super) struct Terms {
    /// Secrets, public keys, a webhook's id, topics, or credentials: what the sender asks for.
    pub(super) secrets: Vec<String>,
    /// The URL under which it knows the shop.
    pub(super) url: Option<PublicUrl>,
    /// Whether its sandbox sends.
    pub(super) is_sandbox: bool,
    /// What Meta was given along with the URL.
    pub(super) verify_token: String,
}

impl Terms {
    fn secrets(&self) -> Secrets {
        self.secrets.iter().map(String::as_str).collect()
    }

    fn url(&self) -> Result<PublicUrl, BoxError> {
        let unset = || "PUBLIC_URL is not set, and this sender signs it".into();
        self.url.clone().ok_or_else(unset)
    }

    /// The one value of a sender that has but one.
    fn single(&self) -> Result<&str, BoxError> {
        match &*self.secrets {
            [value] => Ok(value),
            _ => Err("takes one value alone".into()),
        }
    }
}

/// The scheme of this source.
///
/// # Errors
/// When it cannot be made of these terms.
pub(super) fn of(source: &str, terms: &Terms) -> Result<BoxScheme, BoxError> {
    let secrets = || terms.secrets();
    Ok(match source {
        "adyen-payments" => adyen_payments(secrets())?.boxed(),
        "adyen-platform" => adyen_platform(secrets())?.boxed(),
        "aws-sns" => {
            let keys = CertificateSource::aws_sns(keys::client("aws-sns")?);
            aws_sns(terms.secrets.iter().cloned(), keys)?.boxed()
        }
        "calendly" => calendly(secrets())?.boxed(),
        "clerk" => clerk(secrets())?.boxed(),
        "discord" => discord(secrets())?.boxed(),
        "dropbox" => dropbox(secrets())?.boxed(),
        "github" => github(secrets())?.boxed(),
        "gitlab-signed" => gitlab_signed(secrets())?.boxed(),
        "gitlab-token" => gitlab_token(secrets())?.boxed(),
        "hubspot-v3" => hubspot_v3(terms.url()?, secrets())?.boxed(),
        "intercom" => intercom(secrets())?.boxed(),
        "lemonsqueezy" => lemonsqueezy(secrets())?.boxed(),
        "linear" => linear(secrets())?.boxed(),
        "mailgun" => mailgun(secrets())?.boxed(),
        "message-signature" => message_signature(terms)?,
        "meta" => meta(secrets(), &terms.verify_token)?.boxed(),
        "openai" => openai(secrets())?.boxed(),
        "paddle" => paddle(secrets())?.boxed(),
        "paypal" => {
            let keys = CertificateSource::paypal(keys::client("paypal")?);
            let scheme = paypal(terms.single()?, keys)?;
            if terms.is_sandbox {
                scheme.sandbox().boxed()
            } else {
                scheme.boxed()
            }
        }
        "plaid" => {
            let (id, secret) = terms
                .single()?
                .split_once(':')
                .ok_or("is not a client id and a secret, between a colon")?;
            let client = keys::client("plaid")?;
            let keys = if terms.is_sandbox {
                PlaidKeys::sandbox(client, id, secret)?
            } else {
                PlaidKeys::production(client, id, secret)?
            };
            plaid(keys).boxed()
        }
        "razorpay" => razorpay(secrets())?.boxed(),
        "sendgrid" => sendgrid(secrets())?.boxed(),
        "shopify" => shopify(secrets())?.boxed(),
        "shopify-events" => shopify_events(secrets())?.boxed(),
        "slack" => slack(secrets())?.boxed(),
        "square" => square(terms.url()?, secrets())?.boxed(),
        "standard-webhooks" => standard_webhooks(secrets())?.boxed(),
        "standard-webhooks-v1a" => standard_webhooks_v1a(secrets())?.boxed(),
        "stripe" => stripe(secrets())?.boxed(),
        "svix" => svix(secrets())?.boxed(),
        "telegram" => telegram(secrets())?.boxed(),
        "twilio" => twilio(terms.url()?, secrets())?.boxed(),
        "twilio-shared-key" => twilio_shared_key(terms.url()?, secrets())?.boxed(),
        "typeform" => typeform(secrets())?.boxed(),
        "workos" => workos(secrets())?.boxed(),
        "zoom" => zoom(secrets())?.boxed(),
        _ => return Err("no such source".into()),
    })
}

/// RFC 9421 with a shared secret, under the label `sig1`.
fn message_signature(terms: &Terms) -> Result<BoxScheme, BoxError> {
    let key = MessageKey::hmac_sha256(terms.secrets())?;
    let source = Source::from_static("message-signature");
    let scheme = MessageSignatureScheme::builder(source, "sig1", terms.url()?, key);
    Ok(scheme.id_member("id").build().boxed())
}
