//! Every sender that signs with an HMAC in a header.

use buttress_event::EventId;
use buttress_webhook::{
    HmacScheme, PublicUrl, adyen_platform, calendly, clerk, dropbox, github, gitlab_signed,
    hubspot_v3, intercom, lemonsqueezy, linear, meta, openai, paddle, razorpay, shopify,
    shopify_events, slack, square, standard_webhooks, stripe, svix, typeform, workos, zoom,
};
use http::Request;

pub(crate) const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
pub(crate) const BODY: &str =
    r#"{"id":"evt_1","event_id":"evt_1","webhookTimestamp":1790000000000}"#;

pub(crate) fn url() -> PublicUrl {
    PublicUrl::origin("https://shop.example.com").unwrap()
}

/// A request with every header that some sender signs or requires.
pub(crate) fn request() -> http::request::Builder {
    Request::post("/hook?a=1")
        .header("webhook-id", "msg_1")
        .header("svix-id", "msg_1")
        .header("x-shopify-topic", "orders/create")
        .header("x-shopify-shop-domain", "a.myshopify.com")
        .header("x-shopify-api-version", "2026-10")
        .header("x-shopify-webhook-id", "w-1")
        .header("shopify-topic", "orders/create")
        .header("shopify-shop-domain", "a.myshopify.com")
        .header("shopify-api-version", "2026-10")
        .header("shopify-event-id", "e-1")
        .header("x-github-delivery", "d-1")
        .header("x-razorpay-event-id", "r-1")
        .header("linear-delivery", "l-1")
}

/// Each, and the id that it finds in [`request`] and [`BODY`].
pub(crate) fn schemes() -> Vec<(HmacScheme, EventId)> {
    let signed = |id: &str| EventId::signed(id);
    let unsigned = |id: &str| EventId::unsigned(id);
    vec![
        (adyen_platform("00ff").unwrap(), EventId::None),
        (calendly("secret").unwrap(), EventId::None),
        (clerk(KEY).unwrap(), signed("msg_1")),
        (dropbox("secret").unwrap(), EventId::None),
        (github("secret").unwrap(), unsigned("d-1")),
        (gitlab_signed(KEY).unwrap(), signed("msg_1")),
        (hubspot_v3(url(), "secret").unwrap(), EventId::None),
        (intercom("secret").unwrap(), signed("evt_1")),
        (lemonsqueezy("secret").unwrap(), EventId::None),
        (linear("secret").unwrap(), unsigned("l-1")),
        (meta("secret", "token").unwrap(), EventId::None),
        (openai(KEY).unwrap(), signed("msg_1")),
        (paddle("secret").unwrap(), signed("evt_1")),
        (razorpay("secret").unwrap(), unsigned("r-1")),
        (shopify("secret").unwrap(), unsigned("w-1")),
        (shopify_events("secret").unwrap(), unsigned("e-1")),
        (slack("secret").unwrap(), signed("evt_1")),
        (square(url(), "secret").unwrap(), signed("evt_1")),
        (standard_webhooks(KEY).unwrap(), signed("msg_1")),
        (stripe("secret").unwrap(), signed("evt_1")),
        (svix(KEY).unwrap(), signed("msg_1")),
        (typeform("secret").unwrap(), signed("evt_1")),
        (workos("secret").unwrap(), signed("evt_1")),
        (zoom("secret").unwrap(), EventId::None),
    ]
}
