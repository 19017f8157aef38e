//! Every sender that signs with an HMAC in a header.

use buttress_event::EventId;
use buttress_webhook::{
    HmacScheme, PublicUrl, Secrets, adyen_platform, calendly, clerk, dropbox, github,
    gitlab_signed, hubspot_v3, intercom, lemonsqueezy, linear, meta, openai, paddle, razorpay,
    shopify, shopify_events, slack, square, standard_webhooks, stripe, svix, typeform, workos,
    zoom,
};
use http::Request;

pub(crate) const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NEW_KEY: &str = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
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
    with(&"secret".into(), &KEY.into(), &"00ff".into())
}

/// Each, while its secret is being rotated: the one of [`schemes`] is the old one.
pub(crate) fn rotating() -> Vec<(HmacScheme, EventId)> {
    with(
        &["new secret", "secret"].into(),
        &[NEW_KEY, KEY].into(),
        &["ff00", "00ff"].into(),
    )
}

/// With secrets as text, as a key of Standard Webhooks, and in hex.
fn with(text: &Secrets, key: &Secrets, hex: &Secrets) -> Vec<(HmacScheme, EventId)> {
    let (text, key, hex) = (|| text.clone(), || key.clone(), || hex.clone());
    let signed = |id: &str| EventId::signed(id);
    let unsigned = |id: &str| EventId::unsigned(id);
    vec![
        (adyen_platform(hex()).unwrap(), EventId::None),
        (calendly(text()).unwrap(), EventId::None),
        (clerk(key()).unwrap(), signed("msg_1")),
        (dropbox(text()).unwrap(), EventId::None),
        (github(text()).unwrap(), unsigned("d-1")),
        (gitlab_signed(key()).unwrap(), signed("msg_1")),
        (hubspot_v3(url(), text()).unwrap(), EventId::None),
        (intercom(text()).unwrap(), signed("evt_1")),
        (lemonsqueezy(text()).unwrap(), EventId::None),
        (linear(text()).unwrap(), unsigned("l-1")),
        (meta(text(), "token").unwrap(), EventId::None),
        (openai(key()).unwrap(), signed("msg_1")),
        (paddle(text()).unwrap(), signed("evt_1")),
        (razorpay(text()).unwrap(), unsigned("r-1")),
        (shopify(text()).unwrap(), unsigned("w-1")),
        (shopify_events(text()).unwrap(), unsigned("e-1")),
        (slack(text()).unwrap(), signed("evt_1")),
        (square(url(), text()).unwrap(), signed("evt_1")),
        (standard_webhooks(key()).unwrap(), signed("msg_1")),
        (stripe(text()).unwrap(), signed("evt_1")),
        (svix(key()).unwrap(), signed("msg_1")),
        (typeform(text()).unwrap(), signed("evt_1")),
        (workos(text()).unwrap(), signed("evt_1")),
        (zoom(text()).unwrap(), EventId::None),
    ]
}
