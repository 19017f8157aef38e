use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Secrets, Signature};

/// Shopify.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `X-Shopify-Hmac-Sha256`: base64 of HMAC-SHA256 |
/// | Secret | the app's client secret; after a rotation Shopify may use the old one for an hour |
/// | Window | none: Shopify signs no time |
/// | Event id | `X-Shopify-Webhook-Id`, unsigned; the event is its shop, topic and body |
/// | Required | the headers of topic, shop, API version and webhook id, as in Shopify's library |
///
/// Neither shop nor topic is signed: one app secret signs for all shops, so a body that an attacker
/// owns verifies under any shop's name. Look the shop up in the body where it matters.
///
/// Source: `shopify.dev/docs/apps/build/webhooks/subscribe/https`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn shopify(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    family(&CLASSIC, secrets)
}

/// Shopify's newer family of headers, `Shopify-Hmac-Sha256` and so on, without `X-`.
///
/// Its event id is `Shopify-Event-Id`, and no webhook id is required. Otherwise as [`shopify`].
///
/// Source: the header names in Shopify's own library, `github.com/Shopify/shopify-app-js`.
///
/// # Errors
/// As [`shopify`].
pub fn shopify_events(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    family(&EVENTS, secrets)
}

struct Names {
    signature: &'static str,
    topic: &'static str,
    shop: &'static str,
    version: &'static str,
    id: &'static str,
}

const CLASSIC: Names = Names {
    signature: "x-shopify-hmac-sha256",
    topic: "x-shopify-topic",
    shop: "x-shopify-shop-domain",
    version: "x-shopify-api-version",
    id: "x-shopify-webhook-id",
};

const EVENTS: Names = Names {
    signature: "shopify-hmac-sha256",
    topic: "shopify-topic",
    shop: "shopify-shop-domain",
    version: "shopify-api-version",
    id: "shopify-event-id",
};

fn family(names: &Names, secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header(names.signature), Encoding::Base64);
    HmacScheme::builder(Source::from_static("shopify"), signature)
        .id_header(header(names.id))
        .topic_header(header(names.topic))
        .account_header(header(names.shop))
        .require([names.topic, names.shop, names.version, names.id].map(header))
        .refuse_empty_body()
        .build(secrets)
}
