//! No bit of what a scheme declares as authenticated can be flipped, nor any of its signature.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buttress_event::Source;
use buttress_webhook::{
    BoxScheme, Encoding, HmacScheme, MessageKey, MessageSignatureScheme, Part, PublicUrl, Scheme,
    Signature, gitlab_signed, mailgun, shopify_events, twilio_shared_key, workos,
};
use bytes::Bytes;
use http::{HeaderName, Request};
use tests::vectors::webhook::{Delivery, Expect, Vector};

const NOW: u64 = 1_790_000_000;
const BODY: &str = r#"{"id":"evt_1"}"#;

/// A genuine delivery, and the scheme by which it verifies at this time.
struct Genuine {
    name: String,
    scheme: BoxScheme,
    delivery: Delivery,
    now: SystemTime,
}

impl Genuine {
    fn new(name: &str, scheme: impl Scheme, request: Request<Bytes>) -> Self {
        Self {
            name: name.to_owned(),
            scheme: scheme.boxed(),
            delivery: Delivery::new(request),
            now: now(),
        }
    }

    /// What the scheme itself signs.
    fn signed(name: &str, scheme: HmacScheme, request: http::request::Builder) -> Self {
        let mut request = request.body(Bytes::from(BODY)).unwrap();
        scheme.sign(&mut request, now()).unwrap();
        Self::new(name, scheme, request)
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn url() -> PublicUrl {
    PublicUrl::origin("https://shop.example.com").unwrap()
}

/// HMAC-SHA256 under the key `secret`.
fn mac(text: String, encoding: Encoding) -> String {
    let header = HeaderName::from_static("x-mac");
    let signature = Signature::whole(header.clone(), encoding);
    let scheme = HmacScheme::builder(Source::from_static("mac"), signature)
        .before_body([Part::text(text)])
        .build("secret")
        .unwrap();
    let mut request = Request::new("");
    scheme.sign(&mut request, now()).unwrap();
    request.headers()[header].to_str().unwrap().to_owned()
}

/// Two of each sender in the vectors, one if there is no more: the first ones with but one signature.
fn of_vectors() -> Vec<Genuine> {
    let vectors = Vector::parse(include_str!("../vectors/webhooks.json")).unwrap();
    let mut chosen = Vec::<Genuine>::new();
    for vector in vectors {
        if vector.expects() != Expect::Ok || vector.id.contains("rotation") {
            continue;
        }
        let provider = vector.provider();
        if chosen.iter().filter(|known| known.name == provider).count() < 2
            && let Some((scheme, delivery)) = vector.genuine()
            && delivery.flips(&scheme).is_ok()
        {
            chosen.push(Genuine {
                name: provider.to_owned(),
                scheme,
                delivery,
                now: vector.now(),
            });
        }
    }
    chosen
}

/// Senders and forms that no vector is for.
fn of_our_own() -> Vec<Genuine> {
    const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let post = || Request::post("/hook?a=1");
    let shopify = post()
        .header("shopify-topic", "orders/create")
        .header("shopify-shop-domain", "a.myshopify.com")
        .header("shopify-api-version", "2026-10")
        .header("shopify-event-id", "e-1");
    vec![
        Genuine::signed(
            "gitlab-signed",
            gitlab_signed(KEY).unwrap(),
            post().header("webhook-id", "msg_1"),
        ),
        Genuine::signed("shopify-events", shopify_events("secret").unwrap(), shopify),
        Genuine::signed("workos", workos("secret").unwrap(), post()),
        mailgun_form(
            "application/x-www-form-urlencoded",
            |timestamp, token, signature| {
                format!("timestamp={timestamp}&token={token}&signature={signature}")
            },
        ),
        mailgun_form(
            "multipart/form-data; boundary=x",
            |timestamp, token, signature| {
                let part = |name: &str, value: &str| {
                    format!(
                        "--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                    )
                };
                let parts = [
                    part("timestamp", timestamp),
                    part("token", token),
                    part("signature", signature),
                ];
                format!("{}--x--\r\n", parts.concat())
            },
        ),
        twilio_form(),
        message(),
    ]
}

fn mailgun_form(kind: &str, write: impl Fn(&str, &str, &str) -> String) -> Genuine {
    let (timestamp, token) = (NOW.to_string(), "t".repeat(50));
    let signature = mac(format!("{timestamp}{token}"), Encoding::Hex);
    let body = write(&timestamp, &token, &signature);
    let request = Request::post("/hook").header("content-type", kind);
    let request = request.body(Bytes::from(body)).unwrap();
    Genuine::new("mailgun-form", mailgun("secret").unwrap(), request)
}

fn twilio_form() -> Genuine {
    let signature = mac(
        "https://shop.example.com/sms?a=1Bodyhi thereMessageSidSM1".to_owned(),
        Encoding::Base64,
    );
    let request = Request::post("/sms?a=1")
        .header(
            "x-twilio-webhooks-signature-settings",
            "key=K1,algorithm=HMAC_SHA256",
        )
        .header("x-twilio-signature", signature)
        .body(Bytes::from("MessageSid=SM1&Body=hi+there"));
    let scheme = twilio_shared_key(url(), "secret").unwrap();
    Genuine::new("twilio-shared-key", scheme, request.unwrap())
}

/// RFC 9421, with the components that are required by default.
fn message() -> Genuine {
    // sha256sum of BODY
    let digest = "sha-256=:QJk8Y5/7XxOgou9ck8ll8QtAXyuHo3knI4HaLbwVjfo=:";
    let input =
        format!(r#"("@method" "@target-uri" "content-digest" "content-type");created={NOW}"#);
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": https://shop.example.com/hook?a=1\n\"content-digest\": {digest}\n\"content-type\": application/json\n\"@signature-params\": {input}"
    );
    let request = Request::post("/hook?a=1")
        .header("content-type", "application/json")
        .header("content-digest", digest)
        .header("signature-input", format!("sig1={input}"))
        .header(
            "signature",
            format!("sig1=:{}:", mac(base, Encoding::Base64)),
        )
        .body(Bytes::from(BODY));
    let scheme = MessageSignatureScheme::builder(
        Source::from_static("message"),
        "sig1",
        url(),
        MessageKey::hmac_sha256("secret").unwrap(),
    );
    Genuine::new("message-signature", scheme.build(), request.unwrap())
}

#[tokio::test]
async fn no_flipped_bit_of_anything_authenticated_verifies() {
    let (mut senders, mut flipped) = (BTreeSet::new(), 0_usize);
    for genuine in of_vectors().into_iter().chain(of_our_own()) {
        let Genuine {
            name,
            scheme,
            delivery,
            now,
        } = genuine;
        assert!(delivery.verifies(&scheme, now).await, "{name}");
        for flip in delivery.flips(&scheme).unwrap() {
            flipped += 1;
            let verifies = flip.request.verifies(&scheme, now).await;
            assert!(!verifies, "{name}: {} still verifies", flip.what);
        }
        senders.insert(name);
    }
    // 32 of the vectors, and 6 of our own: every ready scheme.
    assert_eq!(senders.len(), 38, "{senders:?}");
    assert!(flipped > 40_000, "{flipped}");
}
