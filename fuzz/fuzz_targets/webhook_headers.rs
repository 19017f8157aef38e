//! No delivery makes a scheme panic, and none verifies whose keys nobody has used.
//!
//! The first byte chooses the scheme. Then come the headers, a line each, an empty line, and the body.

#![no_main]

use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use buttress_webhook::{
    BoxScheme, PublicUrl, Scheme, StaticKeys, Verdict, adyen_platform, calendly, clerk, discord,
    dropbox, github, gitlab_signed, gitlab_token, hubspot_v3, intercom, lemonsqueezy, linear,
    mailgun, meta, openai, paddle, paypal, plaid, razorpay, sendgrid, shopify, shopify_events,
    slack, square, standard_webhooks, standard_webhooks_v1a, stripe, svix, telegram, twilio,
    twilio_shared_key, typeform, verify, workos, zoom,
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "whsec_bm9ib2R5J3Mgc2VjcmV0LCBub3QgaW4gdGhlIGNvcnA=";
const ED25519: &str = "26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1bb";
const WHPK: &str = "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==";

static SCHEMES: LazyLock<Vec<BoxScheme>> = LazyLock::new(|| {
    let url = || PublicUrl::origin("https://shop.example.com").unwrap();
    vec![
        adyen_platform("00ff").unwrap().boxed(),
        calendly(SECRET).unwrap().boxed(),
        clerk(SECRET).unwrap().boxed(),
        discord(ED25519).unwrap().boxed(),
        dropbox(SECRET).unwrap().boxed(),
        github(SECRET).unwrap().boxed(),
        gitlab_signed(SECRET).unwrap().boxed(),
        gitlab_token(SECRET).unwrap().boxed(),
        hubspot_v3(url(), SECRET).unwrap().boxed(),
        intercom(SECRET).unwrap().boxed(),
        lemonsqueezy(SECRET).unwrap().boxed(),
        linear(SECRET).unwrap().boxed(),
        mailgun(SECRET).unwrap().or_parent().boxed(),
        meta(SECRET, SECRET).unwrap().boxed(),
        openai(SECRET).unwrap().boxed(),
        paddle(SECRET).unwrap().boxed(),
        paypal("WH-1", StaticKeys::new()).unwrap().boxed(),
        plaid(StaticKeys::new()).boxed(),
        razorpay(SECRET).unwrap().boxed(),
        sendgrid(P256).unwrap().boxed(),
        shopify(SECRET).unwrap().boxed(),
        shopify_events(SECRET).unwrap().boxed(),
        slack(SECRET).unwrap().boxed(),
        square(url(), SECRET).unwrap().boxed(),
        standard_webhooks([SECRET, SECRET]).unwrap().boxed(),
        standard_webhooks_v1a(WHPK).unwrap().boxed(),
        stripe(SECRET).unwrap().boxed(),
        svix(SECRET).unwrap().boxed(),
        telegram("secret").unwrap().boxed(),
        twilio(url(), SECRET).unwrap().boxed(),
        twilio_shared_key(url(), SECRET).unwrap().boxed(),
        typeform(SECRET).unwrap().boxed(),
        workos(SECRET).unwrap().boxed(),
        zoom(SECRET).unwrap().boxed(),
    ]
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, mut rest)) = data.split_first() else {
        return;
    };
    let scheme = &SCHEMES[usize::from(*choice) % SCHEMES.len()];
    let mut request = Request::post("/hook?bodySHA256=00");
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else {
        return;
    };
    let (head, ()) = request.into_parts();
    let body = Bytes::copy_from_slice(rest);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let mut verifying = pin!(verify(scheme, &head, &body, now));
    match verifying
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        // What repeats a secret and signs nothing can be guessed by reading this file.
        Poll::Ready(Ok(Verdict::Verified(receipt))) => {
            assert!(matches!(
                receipt.source().as_str(),
                "telegram" | "gitlab-token"
            ));
            let _ = receipt.dedupe_key(&body);
        }
        Poll::Ready(_) => {}
        Poll::Pending => panic!("nothing here waits"),
    }
});
