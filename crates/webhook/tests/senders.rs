//! What is peculiar to a sender, beyond the vectors: ids, duplicates, what is not signed.

mod common;

use std::time::Duration;

use buttress_event::{Bound, Dedupe, EventId, Verified};
use buttress_webhook::{
    Covered, HmacScheme, PublicUrl, adyen_payments, adyen_platform, calendly, clerk, dropbox,
    github, gitlab_signed, gitlab_token, hubspot_v3, intercom, lemonsqueezy, linear, mailgun, meta,
    openai, paddle, razorpay, shopify, shopify_events, slack, square, standard_webhooks, stripe,
    svix, telegram, twilio, twilio_shared_key, typeform, workos, zoom,
};
use bytes::Bytes;
use common::schemes::{BODY, KEY, request, schemes, url};
use common::{NOW, layer, now, send, signed, signed_with};
use hmac::{Hmac, KeyInit, Mac};
use http::Request;
use http_body_util::Full;

async fn receipt(scheme: HmacScheme, request: Request<Full<Bytes>>) -> Verified {
    let outcome = send(&layer(scheme), request).await;
    outcome.handled.expect("accepted").0
}

#[tokio::test]
async fn what_a_scheme_signs_it_verifies_and_finds_the_id_in() {
    for (scheme, id) in schemes() {
        let request = signed_with(&scheme, request(), BODY);
        let source = buttress_webhook::Scheme::facts(&scheme).source.clone();
        let verified = receipt(scheme, request).await;
        assert_eq!(verified.source(), &source);
        assert_eq!(verified.event_id(), &id, "{source}");
        assert_eq!(verified.success(), 200, "{source}");
        assert_eq!(verified.body(), Bound::Bound, "{source}");
    }
}

#[tokio::test]
async fn no_scheme_accepts_a_delivery_outside_its_window() {
    for (scheme, _) in schemes() {
        let facts = buttress_webhook::Scheme::facts(&scheme).clone();
        let Some(window) = facts.window else { continue };
        let request = signed_with(&scheme, request(), BODY);
        let past = window + Duration::from_secs(1);
        let layer = buttress_webhook::WebhookVerifyLayer::new(scheme).clock(move || now() + past);
        assert_eq!(send(&layer, request).await.status, 401, "{}", facts.source);
    }
}

#[test]
fn a_window_is_declared_only_where_a_time_is_signed() {
    for (scheme, _) in schemes() {
        let before = buttress_webhook::Scheme::facts(&scheme).window;
        let scheme = scheme.window(Duration::from_secs(7));
        let after = buttress_webhook::Scheme::facts(&scheme).window;
        assert_eq!(after, before.map(|_| Duration::from_secs(7)), "{scheme:?}");
    }
}

#[tokio::test]
async fn no_scheme_accepts_a_delivery_without_a_header_that_it_needs() {
    for (scheme, _) in schemes() {
        let facts = buttress_webhook::Scheme::facts(&scheme).clone();
        let signed = signed_with(&scheme, request(), BODY);
        let bare = request().body(()).unwrap();
        let needed = signed.headers().keys().filter(|name| {
            let is_new = !bare.headers().contains_key(*name);
            is_new || facts.covers.contains(&Covered::Header((*name).clone()))
        });
        let needed: Vec<_> = needed.cloned().collect();
        assert!(!needed.is_empty());
        let layer = layer(scheme);
        for name in needed {
            let mut absent = signed.clone();
            absent.headers_mut().remove(&name);
            let mut empty = signed.clone();
            empty.headers_mut().insert(&name, "".parse().unwrap());
            let mut twice = signed.clone();
            twice.headers_mut().append(&name, "0".parse().unwrap());
            for request in [absent, empty, twice] {
                let outcome = send(&layer, request).await;
                assert_eq!(outcome.status, 401, "{}: {name}", facts.source);
                assert!(outcome.handled.is_none());
            }
        }
        assert_eq!(send(&layer, signed).await.status, 204);
    }
}

#[tokio::test]
async fn a_body_replayed_under_a_new_unsigned_id_is_the_same_event() {
    let scheme = || github("secret").unwrap();
    let first = signed_with(
        &scheme(),
        Request::post("/").header("x-github-delivery", "1"),
        BODY,
    );
    let again = signed_with(
        &scheme(),
        Request::post("/").header("x-github-delivery", "2"),
        BODY,
    );
    let (first, again) = (
        receipt(scheme(), first).await,
        receipt(scheme(), again).await,
    );
    assert_ne!(first.event_id(), again.event_id());
    assert_eq!(first.dedupe(), Dedupe::ByBody);
    assert_eq!(
        first.dedupe_key(BODY.as_bytes()),
        again.dedupe_key(BODY.as_bytes())
    );
}

#[tokio::test]
async fn a_changed_body_under_the_same_signed_id_is_the_same_event() {
    let scheme = || standard_webhooks(KEY).unwrap();
    let deliver = |body: &str| {
        signed_with(
            &scheme(),
            Request::post("/").header("webhook-id", "msg_1"),
            body,
        )
    };
    let first = receipt(scheme(), deliver("{}")).await;
    let again = receipt(scheme(), deliver(r#"{"attempt":2}"#)).await;
    assert_eq!(first.dedupe(), Dedupe::ById);
    assert_eq!(
        first.dedupe_key(b"{}"),
        again.dedupe_key(br#"{"attempt":2}"#)
    );
}

#[tokio::test]
async fn dropbox_says_the_same_again_on_purpose() {
    let scheme = dropbox("secret").unwrap();
    let request = signed(&scheme, BODY);
    assert_eq!(
        receipt(scheme, request).await.dedupe_key(BODY.as_bytes()),
        None
    );
}

#[tokio::test]
async fn shop_and_topic_are_part_of_a_shopify_event() {
    let scheme = || shopify("secret").unwrap();
    let verified = receipt(scheme(), signed_with(&scheme(), request(), BODY)).await;
    assert_eq!(verified.account(), Some("a.myshopify.com"));
    assert_eq!(verified.topic(), Some("orders/create"));

    let mut other = signed_with(&scheme(), request(), BODY);
    other
        .headers_mut()
        .insert("x-shopify-shop-domain", "b.myshopify.com".parse().unwrap());
    let other = receipt(scheme(), other).await;
    assert_ne!(
        verified.dedupe_key(BODY.as_bytes()),
        other.dedupe_key(BODY.as_bytes())
    );

    let mut lacking = signed_with(&scheme(), request(), BODY);
    lacking.headers_mut().remove("x-shopify-topic");
    assert_eq!(send(&layer(scheme()), lacking).await.status, 401);
}

#[tokio::test]
async fn an_id_that_contains_its_separator_is_refused() {
    let scheme = standard_webhooks(KEY).unwrap();
    let mut request = Request::post("/")
        .header("webhook-id", "a.b")
        .body("")
        .unwrap();
    assert!(scheme.sign(&mut request, now()).is_err());
    let mut signed = signed_with(&scheme, Request::post("/").header("webhook-id", "a"), "");
    signed
        .headers_mut()
        .insert("webhook-id", "a.b".parse().unwrap());
    assert_eq!(send(&layer(scheme), signed).await.status, 401);
}

#[tokio::test]
async fn hubspot_is_verified_for_the_url_as_it_was_signed() {
    let scheme = || hubspot_v3(url(), "secret").unwrap();
    // The signature is over the decoded text, whichever way the request has it.
    let request = signed_with(&scheme(), Request::post("/hook?x=a%40b"), BODY);
    let mut plain = signed_with(&scheme(), Request::post("/hook?x=a@b"), BODY);
    assert_eq!(
        request.headers()["x-hubspot-signature-v3"],
        plain.headers()["x-hubspot-signature-v3"]
    );
    *plain.method_mut() = http::Method::PUT;
    assert_eq!(send(&layer(scheme()), plain).await.status, 401);
    assert_eq!(send(&layer(scheme()), request).await.status, 204);
}

#[tokio::test]
async fn a_signed_gitlab_delivery_never_falls_back_to_the_token() {
    let token = || {
        Request::post("/")
            .header("x-gitlab-token", "token")
            .header("x-gitlab-event", "Push Hook")
            .header("idempotency-key", "i-1")
    };
    let request = token().body(Full::<Bytes>::from(BODY)).unwrap();
    let outcome = send(&layer(gitlab_token("token").unwrap()), request).await;
    let (verified, _) = outcome.handled.unwrap();
    assert_eq!(verified.body(), Bound::Unbound);
    assert_eq!(verified.event_id(), &EventId::unsigned("i-1"));
    assert_eq!(verified.topic(), Some("Push Hook"));

    let signed = token()
        .header("webhook-signature", "v1,AAAA")
        .body(Full::<Bytes>::from(BODY));
    let outcome = send(&layer(gitlab_token("token").unwrap()), signed.unwrap()).await;
    assert_eq!(outcome.status, 401);

    let only_token = token().body(Full::<Bytes>::from(BODY)).unwrap();
    assert_eq!(
        send(&layer(gitlab_signed(KEY).unwrap()), only_token)
            .await
            .status,
        401
    );
    assert!(gitlab_signed("whsec_AAAA").is_err());
}

#[tokio::test]
async fn telegrams_id_is_known_to_be_unsigned() {
    let request = Request::post("/").header("x-telegram-bot-api-secret-token", "tok_1");
    let request = request
        .body(Full::<Bytes>::from(r#"{"update_id":17}"#))
        .unwrap();
    let outcome = send(&layer(telegram("tok_1").unwrap()), request).await;
    assert_eq!(
        outcome.handled.unwrap().0.event_id(),
        &EventId::unsigned("17")
    );
    assert!(telegram("with space").is_err());
    assert!(telegram("").is_err());
}

fn mac(text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn mailguns_forms_are_verified_as_its_json_is() {
    let token = "t".repeat(50);
    let signature = mac(&format!("{NOW}{token}"));
    let ask = async |scheme, kind: &str, body: String| {
        let request = Request::post("/").header("content-type", kind);
        send(
            &layer(scheme),
            request.body(Full::<Bytes>::from(body)).unwrap(),
        )
        .await
    };
    let form = format!("sender=a&timestamp={NOW}&token={token}&signature={signature}");
    let multipart = format!(
        "--x\r\nContent-Disposition: form-data; name=\"timestamp\"\r\n\r\n{NOW}\r\n--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--x\r\nContent-Disposition: form-data; name=\"signature\"\r\n\r\n{signature}\r\n--x--\r\n"
    );
    let scheme = || mailgun("secret").unwrap();
    for (kind, body) in [
        ("application/x-www-form-urlencoded", form.clone()),
        ("multipart/form-data; boundary=x", multipart),
    ] {
        let (verified, _) = ask(scheme(), kind, body).await.handled.unwrap();
        assert_eq!(verified.event_id(), &EventId::signed(token.as_str()));
        assert_eq!(verified.body(), Bound::Unbound);
    }
    let twice = format!("{form}&token={token}");
    assert_eq!(
        ask(scheme(), "application/x-www-form-urlencoded", twice)
            .await
            .status,
        401
    );

    // A digit that moves from the token to the time leaves the signed text as it is.
    let shifted = format!(
        "timestamp={NOW}t&token={}&signature={signature}",
        "t".repeat(49)
    );
    assert_eq!(
        ask(scheme(), "application/x-www-form-urlencoded", shifted)
            .await
            .status,
        401
    );

    let parent = form.replace("&signature=", "&signature=00&parent-signature=");
    assert_eq!(
        ask(
            scheme(),
            "application/x-www-form-urlencoded",
            parent.clone()
        )
        .await
        .status,
        401
    );
    let outcome = ask(
        scheme().or_parent(),
        "application/x-www-form-urlencoded",
        parent,
    )
    .await;
    assert_eq!(outcome.status, 204);
}

#[tokio::test]
async fn adyen_signs_eight_fields_and_no_more() {
    let item = |psp: &str, reference: &str, signature: &str| {
        format!(
            r#"{{"NotificationRequestItem":{{"pspReference":"{psp}","merchantAccountCode":"M","merchantReference":"{reference}","amount":{{"value":1,"currency":"EUR"}},"eventCode":"AUTHORISATION","success":"true","reason":"free text","additionalData":{{"hmacSignature":"{signature}"}}}}}}"#
        )
    };
    let sign = |psp: &str, reference: &str| {
        use base64::Engine as _;
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&[0, 0xff]).unwrap();
        mac.update(format!("{psp}::M:{reference}:1:EUR:AUTHORISATION:true").as_bytes());
        base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
    };
    let ask = async |items: String| {
        let body = format!(r#"{{"live":"true","notificationItems":[{items}]}}"#);
        let request = Request::post("/").body(Full::<Bytes>::from(body)).unwrap();
        send(&layer(adyen_payments("00FF").unwrap()), request).await
    };
    let outcome = ask(item("p1", "a:b", &sign("p1", "a:b"))).await;
    let (verified, _) = outcome.handled.unwrap();
    assert_eq!(
        verified.event_id(),
        &EventId::signed("p1:AUTHORISATION:true")
    );
    assert_eq!(verified.topic(), Some("AUTHORISATION"));
    assert_eq!(verified.body(), Bound::Unbound);

    let both = [
        item("p1", "a", &sign("p1", "a")),
        item("p2", "b", &sign("p2", "b")),
    ]
    .join(",");
    let (verified, _) = ask(both).await.handled.unwrap();
    assert_eq!(
        verified.event_id(),
        &EventId::signed("p1:AUTHORISATION:true,p2:AUTHORISATION:true")
    );
    let one_forged = [
        item("p1", "a", &sign("p1", "a")),
        item("p3", "b", &sign("p2", "b")),
    ]
    .join(",");
    assert_eq!(ask(one_forged).await.status, 401);
    assert_eq!(ask(String::new()).await.status, 401);
    // The same signed text, read with the reference's first part as the account's.
    assert_eq!(ask(item("p1:", "b", &sign("p1", "a:b"))).await.status, 401);
}

#[tokio::test]
async fn twilio_is_told_apart_by_what_is_signed() {
    let sign = |text: &str| {
        use base64::Engine as _;
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"secret").unwrap();
        mac.update(text.as_bytes());
        base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
    };
    let ask = async |uri: &str, body: &str, signature: &str| {
        let request = Request::post(uri).header("x-twilio-signature", signature);
        let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
        send(&layer(twilio(url(), "secret").unwrap()), request).await
    };
    let signature = sign("https://shop.example.com/smsBodyhiMessageSidSM1");
    let first = ask("/sms", "MessageSid=SM1&Body=hi", &signature)
        .await
        .handled
        .unwrap()
        .0;
    // Another spelling of the same fields has the same signature, and must be the same event.
    let again = ask("/sms", "Body=%68i&MessageSid=SM1", &signature)
        .await
        .handled
        .unwrap()
        .0;
    assert_eq!(first.body(), Bound::Weak);
    assert_eq!(first.dedupe_key(b"one"), again.dedupe_key(b"two"));
    assert_eq!(
        ask("/sms?x=1", "MessageSid=SM1&Body=hi", &signature)
            .await
            .status,
        401
    );

    let ported = sign("https://shop.example.com:443/smsMessageSidSM1");
    assert_eq!(ask("/sms", "MessageSid=SM1", &ported).await.status, 204);

    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let json = format!("/sms?bodySHA256={hash}");
    let signature = sign(&format!("https://shop.example.com{json}"));
    let outcome = ask(&json, "{}", &signature).await;
    assert_eq!(outcome.handled.unwrap().0.body(), Bound::Bound);
    assert_eq!(ask(&json, "{ }", &signature).await.status, 401);
}

#[tokio::test]
async fn what_twilio_did_not_sign_never_says_what_the_body_is() {
    use base64::Engine as _;
    // An empty form, delivered to a URL that is configured query and all: a proxy may rewrite it.
    let url = || PublicUrl::exact("https://shop.example.com/sms?a=1").unwrap();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"secret").unwrap();
    mac.update(b"https://shop.example.com/sms?a=1");
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let deliver = async |uri: &str, body: &str| {
        let request = Request::post(uri).header("x-twilio-signature", &signature);
        let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
        send(&layer(twilio(url(), "secret").unwrap()), request).await
    };
    assert_eq!(deliver("/sms?a=1", "").await.status, 204);
    // Whoever has seen it writes a body of their own, and its hash where nothing is signed.
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(
        deliver(&format!("/sms?bodySHA256={hash}"), "{}")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn the_text_of_a_form_never_says_what_the_body_of_twilios_is() {
    use base64::Engine as _;
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    // Somebody writes a message, and gets hold of the signature of the form that tells of it.
    let signed = format!("a=1Body&bodySHA256={hash}&MessageSidSM1");
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(b"secret").unwrap();
    mac.update(format!("https://shop.example.com/sms?{signed}").as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let deliver = async |uri: &str, body: &str| {
        let request = Request::post(uri).header("x-twilio-signature", &signature);
        let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
        send(&layer(twilio(url(), "secret").unwrap()), request).await
    };
    let form = format!("MessageSid=SM1&Body=%26bodySHA256%3D{hash}%26");
    assert_eq!(deliver("/sms?a=1", &form).await.status, 204);
    assert_eq!(deliver(&format!("/sms?{signed}"), "{}").await.status, 401);
}

#[tokio::test]
async fn a_header_never_chooses_twilios_algorithm() {
    use base64::Engine as _;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(b"https://shop.example.com/sms");
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let request = |settings: Option<&str>| {
        let request = Request::post("/sms").header("x-twilio-signature", &signature);
        let request = match settings {
            Some(settings) => request.header("x-twilio-webhooks-signature-settings", settings),
            None => request,
        };
        request.body(Full::<Bytes>::default()).unwrap()
    };
    let shared = || layer(twilio_shared_key(url(), "secret").unwrap());
    let sha256 = Some("key=K1,algorithm=HMAC_SHA256");
    assert_eq!(send(&shared(), request(sha256)).await.status, 204);
    assert_eq!(send(&shared(), request(None)).await.status, 401);
    let sha1 = Some("key=K1,algorithm=HMAC_SHA1");
    assert_eq!(send(&shared(), request(sha1)).await.status, 401);
    let twice = Some("algorithm=HMAC_SHA256,algorithm=HMAC_SHA1");
    assert_eq!(send(&shared(), request(twice)).await.status, 401);
    let token = layer(twilio(url(), "secret").unwrap());
    assert_eq!(send(&token, request(sha256)).await.status, 401);
}

#[test]
fn no_scheme_is_made_of_an_empty_secret() {
    assert!(adyen_payments("").is_err());
    assert!(adyen_platform("").is_err());
    assert!(calendly("").is_err());
    assert!(clerk("whsec_").is_err());
    assert!(dropbox("").is_err());
    assert!(github("").is_err());
    assert!(gitlab_signed("whsec_").is_err());
    assert!(gitlab_token("").is_err());
    assert!(hubspot_v3(url(), "").is_err());
    assert!(intercom("").is_err());
    assert!(lemonsqueezy("").is_err());
    assert!(linear("").is_err());
    assert!(mailgun("").is_err());
    assert!(meta("", "token").is_err());
    assert!(openai("").is_err());
    assert!(paddle("").is_err());
    assert!(razorpay("").is_err());
    assert!(shopify("").is_err());
    assert!(slack("").is_err());
    assert!(square(url(), "").is_err());
    assert!(standard_webhooks("").is_err());
    assert!(stripe(["new", ""]).is_err());
    assert!(svix("").is_err());
    assert!(shopify_events("").is_err());
    assert!(telegram("").is_err());
    assert!(twilio(url(), "").is_err());
    assert!(twilio_shared_key(url(), "").is_err());
    assert!(typeform("").is_err());
    assert!(workos("").is_err());
    assert!(zoom("").is_err());
    assert!(buttress_webhook::MessageKey::hmac_sha256("").is_err());
    // None at all is as bad as an empty one.
    assert!(stripe([""; 0]).is_err());
}

#[cfg(all(feature = "ed25519", feature = "p256", feature = "rsa"))]
#[test]
fn no_scheme_is_made_of_an_empty_key() {
    use buttress_webhook::{StaticKeys, discord, paypal, sendgrid, standard_webhooks_v1a};

    assert!(discord("").is_err());
    assert!(sendgrid("").is_err());
    assert!(standard_webhooks_v1a("").is_err());
    assert!(standard_webhooks_v1a("whpk_").is_err());
    assert!(paypal("", StaticKeys::new()).is_err());
    assert!(buttress_webhook::MessageKey::ed25519(b"").is_err());
}
