//! No key, secret or body shows itself in what people log.

mod common;

use std::error::Error;
use std::fmt::Write as _;

use buttress_classify::chain;
use buttress_idempotency::{IdempotencyKeyLayer, Operation};
use buttress_key::{DerivationSecret, Profile};
use common::{owned, post, send, with, with_header};
use tower::{Layer, service_fn};

const KEY: &str = "sesame-key";
const BODY: &str = "sesame=body";

fn layer() -> IdempotencyKeyLayer<buttress_idempotency::Outbound> {
    let secret = || DerivationSecret::new("sesame-secret-of-the-house").unwrap();
    IdempotencyKeyLayer::outbound(Profile::adyen())
        .fingerprints(secret())
        .derive(secret(), "shop", |_| {
            Some(Operation::new("charge", "sesame".repeat(9)))
        })
}

#[tokio::test]
async fn no_debug_and_no_error_shows_a_key_a_secret_or_a_body() {
    let mut shown = String::new();
    let sent = send(&layer(), with(post(BODY), owned(KEY))).await.unwrap();
    let service = layer().layer(service_fn(|(): ()| {
        std::future::pending::<Result<(), std::io::Error>>()
    }));
    write!(
        shown,
        "{:#?} {service:?} {:?} {:?}",
        layer(),
        owned(KEY),
        sent.headers()
    )
    .unwrap();
    write!(shown, "{:?}", sent.body()).unwrap();

    let known = layer().accept_header();
    send(&known, with(post("first"), owned(KEY))).await.unwrap();
    let long: &'static str =
        "sesame-sesame-sesame-sesame-sesame-sesame-sesame-sesame-sesame-sesame";
    for refused in [
        with(post(BODY), owned(KEY)),
        with(post(BODY), owned(long)),
        with_header(post(BODY), "\"sesame"),
        with_header(post(BODY), "sesame key"),
        with(with_header(post(BODY), "sesame-other"), owned(KEY)),
    ] {
        let error = send(&known, refused).await.unwrap_err();
        write!(shown, "{error:?}").unwrap();
        chain(&*error).for_each(|error: &(dyn Error + 'static)| write!(shown, "{error}").unwrap());
    }
    assert!(!shown.contains("sesame"), "{shown}");
}
