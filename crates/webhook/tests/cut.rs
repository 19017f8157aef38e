//! Where nothing stands between two signed texts, they can be cut in one way alone.
#![cfg(all(feature = "ed25519", feature = "p256"))]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buttress_webhook::{
    Encoding, HmacScheme, Part, Scheme, Signature, Verdict, discord, hubspot_v3, mailgun, sendgrid,
    verify,
};
use common::schemes::url;
use common::{NOW, now};
use ed25519_dalek::Signer as _;
use http::{HeaderName, Request};
use p256::pkcs8::EncodePublicKey as _;

/// It begins and ends as a time does.
const BODY: &str = r#"17{"id":"evt_1"}17"#;

/// Delivers `signed` cut at every place, as `deliver` says; `right` is the one cut that verifies.
async fn verifies_at<S: Scheme>(
    scheme: S,
    signed: &str,
    right: usize,
    deliver: impl Fn(&str, &str) -> http::Result<Request<String>>,
) {
    for at in 1..signed.len() {
        let (one, two) = signed.split_at(at);
        let (head, body) = deliver(one, two).unwrap().into_parts();
        let verdict = verify(&scheme, &head, &body.into(), now()).await;
        let verifies = matches!(verdict, Ok(Verdict::Verified(_)));
        assert_eq!(verifies, at == right, "{one} | {two}");
    }
}

/// HMAC-SHA256 of a text under the key `secret`.
fn mac(text: &str, encoding: Encoding) -> String {
    let name = HeaderName::from_static("x-mac");
    let scheme = HmacScheme::builder(
        "mac".to_owned().into(),
        Signature::whole(name.clone(), encoding),
    )
    .before_body([Part::text(text.to_owned())])
    .build("secret")
    .unwrap();
    let mut request = Request::new("");
    scheme.sign(&mut request, now()).unwrap();
    request.headers()[name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_byte_moves_between_time_and_body_of_discord() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let scheme = discord(hex::encode(key.verifying_key().as_bytes())).unwrap();
    let signed = format!("{NOW}{BODY}");
    let signature = format!("{:x}", key.sign(signed.as_bytes()));
    verifies_at(scheme, &signed, 10, |time, body| {
        Request::post("/")
            .header("x-signature-timestamp", time)
            .header("x-signature-ed25519", &signature)
            .body(body.to_owned())
    })
    .await;
}

#[tokio::test]
async fn no_byte_moves_between_time_and_body_of_sendgrid() {
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let spki = key.verifying_key().to_public_key_der().unwrap();
    let scheme = sendgrid(STANDARD.encode(spki.as_bytes())).unwrap();
    let signed = format!("{NOW}{BODY}");
    let signature: p256::ecdsa::Signature = key.sign(signed.as_bytes());
    let signature = STANDARD.encode(signature.to_der());
    verifies_at(scheme, &signed, 10, |time, body| {
        Request::post("/")
            .header("x-twilio-email-event-webhook-timestamp", time)
            .header("x-twilio-email-event-webhook-signature", &signature)
            .body(body.to_owned())
    })
    .await;
}

#[tokio::test]
async fn no_byte_moves_between_body_and_time_of_hubspot() {
    let scheme = hubspot_v3(url(), "secret").unwrap();
    let signed = format!("{BODY}{NOW}000");
    let text = format!("POSThttps://shop.example.com/hook{signed}");
    let signature = mac(&text, Encoding::Base64);
    verifies_at(scheme, &signed, BODY.len(), |body, time| {
        Request::post("/hook")
            .header("x-hubspot-request-timestamp", time)
            .header("x-hubspot-signature-v3", &signature)
            .body(body.to_owned())
    })
    .await;
}

#[tokio::test]
async fn no_digit_moves_between_time_and_token_of_mailgun() {
    let scheme = mailgun("secret").unwrap();
    let signed = format!("{NOW}{}", "1".repeat(50));
    let signature = mac(&signed, Encoding::Hex);
    verifies_at(scheme, &signed, 10, |time, token| {
        Request::post("/").body(format!(
            r#"{{"signature":{{"timestamp":"{time}","token":"{token}","signature":"{signature}"}}}}"#
        ))
    })
    .await;
}
