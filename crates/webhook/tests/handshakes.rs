//! Questions about the endpoint itself: answered here, and never with text of the asker's choice.

mod common;

use buttress_webhook::{dropbox, intercom, meta, slack, zoom};
use bytes::Bytes;
use common::{layer, send, signed};
use http::Request;
use http_body_util::Full;

fn empty(method: &str, uri: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(uri);
    request.body(Full::default()).unwrap()
}

#[tokio::test]
async fn zoom_gets_its_token_encrypted() {
    let scheme = || zoom("secret").unwrap();
    let body =
        r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let outcome = send(&layer(scheme()), signed(&scheme(), body)).await;
    assert_eq!(outcome.status, 200);
    assert!(outcome.handled.is_none());
    // echo -n qgg8vlvZRS6UYooatFL8Aw | openssl dgst -sha256 -hmac secret
    assert_eq!(
        outcome.body,
        r#"{"encryptedToken":"72cef096bfd47c0b8664df30d07721641e4abd7e885ba432204260db477a9a3e","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}"#
    );
}

#[tokio::test]
async fn zoom_is_answered_with_the_secret_that_it_signed_with() {
    let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"token"}}"#;
    let question = || signed(&zoom("old").unwrap(), body);
    let alone = send(&layer(zoom("old").unwrap()), question()).await;
    let rotating = send(&layer(zoom(["new", "old"]).unwrap()), question()).await;
    assert_eq!(alone.status, 200);
    assert_eq!(alone.body, rotating.body);
}

#[tokio::test]
async fn zoom_never_signs_what_could_be_an_event() {
    let scheme = || zoom("secret").unwrap();
    let long = "a".repeat(129);
    for token in ["v0:1790000000:{}", "", "a b", "\u{e9}", "a.b", &long] {
        let body = format!(
            r#"{{"event":"endpoint.url_validation","payload":{{"plainToken":"{token}"}}}}"#
        );
        let outcome = send(&layer(scheme()), signed(&scheme(), &body)).await;
        assert_eq!(outcome.status, 401, "{token}");
        assert!(outcome.handled.is_none());
    }
}

#[tokio::test]
async fn zoom_answers_no_question_that_is_not_signed() {
    let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"token"}}"#;
    let request = Request::post("/").body(Full::<Bytes>::from(body)).unwrap();
    assert_eq!(
        send(&layer(zoom("secret").unwrap()), request).await.status,
        401
    );

    let forged = signed(&zoom("another").unwrap(), body);
    assert_eq!(
        send(&layer(zoom("secret").unwrap()), forged).await.status,
        401
    );
}

#[tokio::test]
async fn slack_gets_its_challenge_back_as_text() {
    let scheme = || slack("secret").unwrap();
    let body = r#"{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let outcome = send(&layer(scheme()), signed(&scheme(), body)).await;
    assert_eq!(outcome.status, 200);
    assert_eq!(
        outcome.body,
        "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    );
    assert_eq!(outcome.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(outcome.headers["x-content-type-options"], "nosniff");
    assert!(outcome.handled.is_none());

    for challenge in ["<script>", "", "a b"] {
        let body = format!(r#"{{"type":"url_verification","challenge":"{challenge}"}}"#);
        let outcome = send(&layer(scheme()), signed(&scheme(), &body)).await;
        assert_eq!(outcome.status, 401, "{challenge}");
    }
    let unsigned = Request::post("/").body(Full::<Bytes>::from(body)).unwrap();
    assert_eq!(send(&layer(scheme()), unsigned).await.status, 401);
}

#[tokio::test]
async fn meta_gets_its_digits_back_if_it_knows_the_verify_token() {
    let ask = async |query: &str| {
        let layer = layer(meta("secret", "to ken&").unwrap());
        send(&layer, empty("GET", &format!("/hook?{query}"))).await
    };
    let outcome =
        ask("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=to+ken%26").await;
    assert_eq!(
        (outcome.status, &outcome.body[..]),
        (200, &b"1158201444"[..])
    );
    assert_eq!(outcome.headers["content-type"], "text/plain; charset=utf-8");
    for query in [
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=other",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=subscribe&hub.challenge=%3Cscript%3E&hub.verify_token=to+ken%26",
        "hub.mode=subscribe&hub.challenge=&hub.verify_token=to+ken%26",
        "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=to+ken%26",
        "hub.challenge=1&hub.verify_token=to+ken%26",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=%4",
        "",
    ] {
        let outcome = ask(query).await;
        assert_eq!(outcome.status, 401, "{query}");
        assert!(outcome.handled.is_none());
    }
    assert!(meta("secret", "").is_err());
}

#[tokio::test]
async fn dropbox_gets_its_challenge_back_as_text_that_nobody_renders() {
    let ask = async |query: &str| {
        let layer = layer(dropbox("secret").unwrap());
        send(&layer, empty("GET", &format!("/hook?{query}"))).await
    };
    let outcome = ask("challenge=abc-123_X").await;
    assert_eq!(
        (outcome.status, &outcome.body[..]),
        (200, &b"abc-123_X"[..])
    );
    assert_eq!(outcome.headers["x-content-type-options"], "nosniff");
    for query in ["challenge=%3Cscript%3E", "challenge=", "", "other=1"] {
        assert_eq!(ask(query).await.status, 401, "{query}");
    }
}

#[tokio::test]
async fn intercom_finds_the_endpoint_alive() {
    let outcome = send(&layer(intercom("secret").unwrap()), empty("HEAD", "/hook")).await;
    assert_eq!((outcome.status, outcome.body.len()), (200, 0));
    assert!(outcome.handled.is_none());
    let outcome = send(&layer(intercom("secret").unwrap()), empty("GET", "/hook")).await;
    assert_eq!(outcome.status, 401);
}

#[tokio::test]
async fn the_ping_of_intercom_is_an_event() {
    let scheme = || intercom("secret").unwrap();
    let body = r#"{"type":"notification_event","topic":"ping","id":null}"#;
    let outcome = send(&layer(scheme()), signed(&scheme(), body)).await;
    assert_eq!(outcome.status, 204);
}

#[cfg(feature = "ed25519")]
mod discord {
    use buttress_webhook::discord;
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    fn signed(body: &str) -> Request<Full<Bytes>> {
        let time = common::NOW.to_string();
        let signature = SigningKey::from_bytes(&[7; 32]).sign(format!("{time}{body}").as_bytes());
        Request::post("/")
            .header("x-signature-timestamp", time)
            .header("x-signature-ed25519", format!("{signature:x}"))
            .body(Full::from(body.to_owned()))
            .unwrap()
    }

    #[tokio::test]
    async fn a_signed_ping_is_answered_and_an_unsigned_one_is_not() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        let key = hex::encode(key);
        let layer = layer(discord(key.as_str()).unwrap());
        let outcome = send(&layer, signed(r#"{"type":1}"#)).await;
        assert_eq!(
            (outcome.status, &outcome.body[..]),
            (200, &br#"{"type":1}"#[..])
        );
        assert!(outcome.handled.is_none());

        let outcome = send(&layer, signed(r#"{"type":2,"id":"17"}"#)).await;
        assert_eq!(outcome.handled.unwrap().0.event_id().as_str(), Some("17"));

        let mut forged = signed(r#"{"type":2}"#);
        *forged.body_mut() = Full::from(r#"{"type":1}"#);
        assert_eq!(send(&layer, forged).await.status, 401);
    }
}
