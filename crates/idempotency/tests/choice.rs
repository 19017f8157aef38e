//! Which key a request goes out with, and what is refused before a byte is sent.

mod common;

use std::collections::HashSet;

use buttress_classify::find;
use buttress_idempotency::{IdempotencyKeyLayer, Operation, OutboundKey, Refusal};
use buttress_key::{DerivationSecret, KeyInBody, Misfit, Profile};
use bytes::Bytes;
use common::{HEADER, owned, post, refusal, request, secret, send, sent_key, with, with_header};
use futures_util::stream;
use http::request::Parts;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::StreamBody;

fn by_order(head: &Parts) -> Option<Operation> {
    let order = head.headers.get("order")?.to_str().ok()?;
    Some(Operation::new("charge", order))
}

#[tokio::test]
async fn the_callers_key_is_written_and_its_extension_taken_out() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let sent = send(&layer, with(post("a=1"), owned("order-17")))
        .await
        .unwrap();
    assert_eq!(sent.headers()[HEADER], "order-17");
    assert!(sent.headers()[HEADER].is_sensitive());
    assert!(sent.extensions().get::<OutboundKey>().is_none());
}

#[tokio::test]
async fn a_key_is_written_as_its_profile_says() {
    let quoted = IdempotencyKeyLayer::outbound(Profile::ietf());
    assert_eq!(
        sent_key(&quoted, with(post("a=1"), owned("order 17"))).await,
        "\"order 17\""
    );

    let paypal = IdempotencyKeyLayer::outbound(Profile::paypal());
    let sent = send(&paypal, with(post("a=1"), owned("order-17")))
        .await
        .unwrap();
    assert_eq!(sent.headers()["paypal-request-id"], "order-17");
    assert!(!sent.headers().contains_key(HEADER));
}

#[tokio::test]
async fn a_covered_request_without_a_key_is_refused_unless_keys_are_optional() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    assert_eq!(refusal(&layer, post("a=1")).await, Refusal::Missing);

    let sent = send(&layer.optional(), post("a=1")).await.unwrap();
    assert!(!sent.headers().contains_key(HEADER));
}

#[tokio::test]
async fn a_method_that_is_not_covered_goes_out_untouched() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1()).random();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let sent = send(&layer, request(method, "/", "")).await.unwrap();
        assert!(sent.headers().is_empty());
    }
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v2()).random();
    let sent = send(&layer, request(Method::DELETE, "/", ""))
        .await
        .unwrap();
    assert!(sent.headers().contains_key(HEADER));
}

#[tokio::test]
async fn a_key_on_a_method_that_is_not_covered_protects_nothing_and_is_refused() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let patch = || request(Method::PATCH, "/", "");
    assert_eq!(
        refusal(&layer, with(patch(), owned("k"))).await,
        Refusal::NotCovered
    );
    let accepting = layer.accept_header();
    assert_eq!(
        refusal(&accepting, with_header(patch(), "k")).await,
        Refusal::NotCovered
    );
}

#[tokio::test]
async fn an_inbound_key_is_never_forwarded_on_any_method_from_any_source() {
    let bare = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let layers = [
        bare.clone(),
        bare.clone().random(),
        bare.clone().optional(),
        bare.clone().derive(secret(), "shop", by_order),
    ];
    for layer in layers {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let inbound = with_header(request(method, "/", ""), "client-key");
            assert_eq!(refusal(&layer, inbound).await, Refusal::UnexpectedHeader);
        }
        let both = with(with_header(post("a=1"), "k"), owned("k"));
        assert_eq!(refusal(&layer, both).await, Refusal::UnexpectedHeader);
    }
}

#[tokio::test]
async fn an_accepted_header_is_kept_as_it_is() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1())
        .accept_header()
        .random();
    assert_eq!(
        sent_key(&layer, with_header(post("a=1"), "mine")).await,
        "mine"
    );
    let quoted = IdempotencyKeyLayer::outbound(Profile::ietf()).accept_header();
    assert_eq!(
        sent_key(&quoted, with_header(post("a=1"), "\"mine\"")).await,
        "\"mine\""
    );
}

#[tokio::test]
async fn an_accepted_header_must_be_one_key_as_the_profile_writes_it() {
    let stripe = IdempotencyKeyLayer::outbound(Profile::stripe_v1()).accept_header();
    for value in ["", "\"mine\"", "\"mine", "a\u{e4}b"] {
        let refused = refusal(&stripe, with_header(post("a=1"), value)).await;
        assert_eq!(refused, Refusal::Unreadable, "{value}");
    }
    let twice = with_header(with_header(post("a=1"), "one"), "two");
    assert_eq!(refusal(&stripe, twice).await, Refusal::Unreadable);
    assert_eq!(
        refusal(&stripe, with_header(post("a=1"), "a b")).await,
        Refusal::Misfit
    );

    let ietf = IdempotencyKeyLayer::outbound(Profile::ietf()).accept_header();
    assert_eq!(
        refusal(&ietf, with_header(post("a=1"), "mine")).await,
        Refusal::Unreadable
    );
}

#[tokio::test]
async fn a_header_and_a_caller_must_agree() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1()).accept_header();
    let both = |header, caller| with(with_header(post("a=1"), header), owned(caller));
    assert_eq!(sent_key(&layer, both("k", "k")).await, "k");
    assert_eq!(refusal(&layer, both("k", "l")).await, Refusal::Conflict);
}

#[tokio::test]
async fn length_and_characters_are_checked_before_the_wire() {
    let adyen = IdempotencyKeyLayer::outbound(Profile::adyen());
    let long = "k".repeat(65);
    let error = send(&adyen, with(post("a=1"), owned(&long)))
        .await
        .unwrap_err();
    assert_eq!(find::<Misfit>(&*error), Some(&Misfit::TooLong(64)));
    assert_eq!(
        refusal(&adyen, with(post("a=1"), owned(&long))).await,
        Refusal::Misfit
    );
    assert_eq!(
        sent_key(&adyen, with(post("a=1"), owned(&long[1..]))).await,
        long[1..]
    );
    assert_eq!(
        refusal(&adyen, with(post("a=1"), owned("a b"))).await,
        Refusal::Misfit
    );
}

#[tokio::test]
async fn two_equal_calls_have_two_random_keys() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1()).random();
    let mut keys = HashSet::new();
    for _ in 0..100 {
        assert!(keys.insert(sent_key(&layer, post("a=1")).await));
    }
}

#[tokio::test]
async fn one_operation_has_one_derived_key_in_every_process() {
    let order = |id: &'static str, body| {
        let mut request = post(body);
        request.headers_mut().insert("order", id.parse().unwrap());
        request
    };
    let process =
        || IdempotencyKeyLayer::outbound(Profile::stripe_v1()).derive(secret(), "shop", by_order);
    let layer = process();
    let first = sent_key(&layer, order("17", "a=1")).await;
    assert_eq!(first, sent_key(&layer, order("17", "a=1")).await);
    assert_eq!(
        first,
        sent_key(&process(), order("17", "a=1")).await,
        "after a restart"
    );
    assert_ne!(first, sent_key(&layer, order("18", "a=1")).await);

    let profile = Profile::stripe_v1();
    let expected = profile
        .derive(&secret(), "shop", "charge", "17", 1)
        .unwrap();
    assert_eq!(first, expected.as_str());

    let anew = |head: &Parts| by_order(head).map(|operation| operation.generation(2));
    let next = IdempotencyKeyLayer::outbound(profile).derive(secret(), "shop", anew);
    assert_ne!(first, sent_key(&next, order("17", "a=1")).await);
    let elsewhere = DerivationSecret::new([8; 32]).unwrap();
    let other = process().derive(elsewhere, "shop", by_order);
    assert_ne!(first, sent_key(&other, order("17", "a=1")).await);

    assert_eq!(refusal(&layer, post("a=1")).await, Refusal::Missing);
    let caller = with(order("17", "a=1"), owned("mine"));
    assert_eq!(sent_key(&layer, caller).await, "mine");
}

#[tokio::test]
async fn a_request_full_of_headers_is_refused_and_not_a_panic() {
    let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
    let mut full = with(post("a=1"), owned("k"));
    let header = |number| http::HeaderName::try_from(format!("h{number}")).unwrap();
    let value = http::HeaderValue::from_static("v");
    let mut fits = |number: &u32| {
        full.headers_mut()
            .try_append(header(*number), value.clone())
            .is_ok()
    };
    assert!((0..100_000).take_while(|number| fits(number)).count() < 100_000);
    assert_eq!(refusal(&layer, full).await, Refusal::NoRoom);
}

#[tokio::test]
async fn a_key_in_the_body_must_be_seen_there() {
    const BODY: &str = r#"{"idempotency_key":"order-17","amount":5}"#;
    let layer = IdempotencyKeyLayer::outbound(Profile::square());
    let sent = send(&layer, with(post(BODY), owned("order-17")))
        .await
        .unwrap();
    assert!(sent.headers().is_empty());
    assert!(Profile::square().is_keyed(sent.method(), sent.headers(), sent.extensions()));

    for (body, text) in [
        (r#"{"amount":5}"#, "order-17"),
        ("", "order-17"),
        // A part of a longer word is another key.
        (BODY, "order-1"),
        (BODY, "rder-17"),
    ] {
        let refused = refusal(&layer, with(post(body), owned(text))).await;
        assert_eq!(refused, Refusal::NotInBody, "{text} in {body}");
    }

    // The key's text anywhere else is not the provider's key.
    for body in [
        r#"{"reference_id":"order-17","amount":5}"#,
        r#"{"idempotency_key":"other","reference_id":"order-17"}"#,
        r#"{"my_idempotency_key":"order-17"}"#,
        r#"{"note":"\"idempotency_key\":\"order-17\""}"#,
        r#"{"note":"idempotency_key=order-17"}"#,
        "xidempotency_key=order-17",
        "idempotency_key=order-17x",
    ] {
        let refused = refusal(&layer, with(post(body), owned("order-17"))).await;
        assert_eq!(refused, Refusal::NotInBody, "{body}");
    }
    for body in [
        "{\n  \"amount\": 5,\n  \"idempotency_key\" :\t\"order-17\"\n}",
        "idempotency_key=order-17",
        "a=1&idempotency_key=order-17&b=2",
    ] {
        let layer = IdempotencyKeyLayer::outbound(Profile::square());
        assert!(
            send(&layer, with(post(body), owned("order-17")))
                .await
                .is_ok()
        );
    }

    let open = layer.clone().optional();
    let unkeyed = send(&open, post(BODY)).await.unwrap();
    assert!(unkeyed.extensions().get::<KeyInBody>().is_none());
    assert_eq!(
        refusal(&layer.random(), post(BODY)).await,
        Refusal::NotInBody
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_looked_at_does_not_count_as_keyed() {
    let chunks = || {
        let chunk =
            |text: &'static str| Ok::<_, String>(Frame::data(Bytes::from_static(text.as_bytes())));
        StreamBody::new(stream::iter([chunk("order-17"), chunk("!")]))
    };
    let request = Request::post("/").body(chunks()).unwrap();
    let layer = IdempotencyKeyLayer::outbound(Profile::square());
    assert_eq!(
        refusal(&layer, with(request, owned("order-17"))).await,
        Refusal::NotInBody
    );
}

#[tokio::test]
async fn a_persisted_key_goes_out_again_after_a_restart() {
    let row = with(post("a=1"), owned("order-17"));
    for _process in 0..2 {
        let layer = IdempotencyKeyLayer::outbound(Profile::stripe_v1());
        assert_eq!(sent_key(&layer, row.clone()).await, "order-17");
    }
}
