//! Which requests have a key, and which keys are none: scenarios 1 to 6 and 28.

use std::time::Duration;

use buttress_idempotency::{BuildError, IdempotencyKeyLayer};
use buttress_key::IdempotencyKey;
use buttress_store::OrphanPolicy;
use buttress_store_memory::MemoryStore;
use http::{HeaderValue, Method, Request};

use crate::kit::{Body, Flaky, Runs, inbound, post, send};

#[tokio::test]
async fn s01_without_a_key_the_handler_runs_and_the_store_is_not_asked() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&inbound(store.clone()).build().unwrap());
    for run in 1..=2 {
        let request = Request::post("/orders").body(Body::from("order")).unwrap();
        let seen = send(&service, request).await;
        assert_eq!((seen.status, seen.text()), (201, &*format!("run {run}")));
    }
    assert_eq!(store.calls(), [0; 5]);
}

#[tokio::test]
async fn s02_where_a_key_is_required_a_request_without_one_is_refused_with_a_link() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .required()
        .described_by("https://shop.example/keys")
        .build()
        .unwrap();
    let service = runs.numbered(&layer);
    let request = Request::post("/orders").body(Body::default()).unwrap();
    let seen = send(&service, request).await;
    assert_eq!(seen.status, 400);
    assert_eq!(seen.problem(), "idempotency-key-missing");
    assert_eq!(
        seen.headers["link"],
        "<https://shop.example/keys>; rel=\"describedby\""
    );
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn s03_a_key_on_another_method_is_ignored_unless_it_is_covered() {
    let runs = Runs::default();
    let get = || {
        let mut request = post("k", "");
        *request.method_mut() = Method::GET;
        request
    };
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    send(&service, get()).await;
    assert!(!send(&service, get()).await.is_replay());
    assert_eq!(runs.count(), 2);

    let covering = inbound(MemoryStore::default())
        .methods([Method::GET])
        .build();
    let service = runs.numbered(&covering.unwrap());
    send(&service, get()).await;
    assert!(send(&service, get()).await.is_replay());
    assert_eq!(runs.count(), 3);
}

#[tokio::test]
async fn s04_what_is_no_single_valid_key_is_refused_before_the_store_is_asked() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&inbound(store.clone()).build().unwrap());
    let long = "k".repeat(256);
    for key in [
        b"".as_slice(),
        long.as_bytes(),
        b"a\tb",
        b"caf\xe9",
        b"\"a",
        b"\"a\"b",
    ] {
        let mut request = post("k", "order");
        let value = HeaderValue::from_bytes(key).unwrap();
        request.headers_mut().insert("idempotency-key", value);
        let seen = send(&service, request).await;
        assert_eq!(seen.status, 400, "{key:?}");
        assert_eq!(seen.problem(), "idempotency-key-invalid");
    }
    let mut twice = post("k", "order");
    let second = HeaderValue::from_static("k");
    twice.headers_mut().append("idempotency-key", second);
    assert_eq!(send(&service, twice).await.status, 400);

    assert_eq!(store.calls(), [0; 5]);
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn s05_a_quoted_key_and_a_bare_one_are_the_same() {
    let runs = Runs::default();
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    send(&service, post("\"k\"", "order")).await;
    let seen = send(&service, post("k", "order")).await;
    assert!(seen.is_replay());
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn s06_escapes_are_resolved_and_parameters_ignored() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&inbound(store.clone()).build().unwrap());
    send(&service, post(r#""a\"b""#, "order")).await;
    assert!(
        send(&service, post(r#""a\"b";x=1"#, "order"))
            .await
            .is_replay()
    );
    assert!(send(&service, post(r#"a"b"#, "order")).await.is_replay());
    assert_eq!(runs.count(), 1);
    assert_eq!(send(&service, post(r#""a\b""#, "order")).await.status, 400);
    assert_eq!(store.calls()[0], 3);
}

#[tokio::test]
async fn a_key_from_the_extensions_comes_first() {
    let runs = Runs::default();
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    for header in ["one", "two"] {
        let mut request = post(header, "order");
        let key = IdempotencyKey::parse("from the body").unwrap();
        request.extensions_mut().insert(key);
        send(&service, request).await;
    }
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn the_application_may_refuse_keys_of_another_form() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .accept_when(|key| key.as_str().len() == 36)
        .build()
        .unwrap();
    let service = runs.numbered(&layer);
    assert_eq!(send(&service, post("short", "order")).await.status, 400);
    let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
    assert_eq!(send(&service, post(uuid, "order")).await.status, 201);
}

#[tokio::test]
async fn s28_what_an_outer_layer_refuses_is_never_stored() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let inner = runs.numbered(&inbound(store.clone()).build().unwrap());
    // As authentication would, and a rate limit.
    for refusal in [401_u16, 429] {
        let outer = inner.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let outer = outer.clone();
            async move {
                if request.headers().contains_key("authorization") {
                    return Ok::<_, std::convert::Infallible>(send(&outer, request).await.status);
                }
                Ok(refusal)
            }
        });
        let status = tower::ServiceExt::oneshot(service, post("k", "order")).await;
        assert_eq!(status, Ok(refusal));
    }
    assert_eq!(store.calls(), [0; 5]);
    let mut allowed = post("k", "order");
    allowed
        .headers_mut()
        .insert("authorization", HeaderValue::from_static("me"));
    assert_eq!(send(&inner, allowed).await.status, 201);
    assert_eq!(runs.count(), 1);
}

#[test]
fn settings_that_are_missing_or_contradict_each_other_are_refused() {
    let bare = || IdempotencyKeyLayer::inbound(MemoryStore::default());
    let refused = |builder: buttress_idempotency::InboundBuilder| builder.build().unwrap_err();
    assert_eq!(
        refused(bare().orphan_policy(OrphanPolicy::Refuse)),
        BuildError::NoScope
    );
    assert_eq!(refused(bare().single_tenant()), BuildError::NoOrphanPolicy);

    let whole = || inbound(MemoryStore::default());
    let (none, some) = (Duration::ZERO, Duration::from_secs(10));
    assert_eq!(refused(whole().methods([])), BuildError::NoMethod);
    assert_eq!(refused(whole().retention(none)), BuildError::ZeroDuration);
    assert_eq!(refused(whole().lease(none)), BuildError::ZeroDuration);
    assert_eq!(refused(whole().max_hold(none)), BuildError::ZeroDuration);
    assert_eq!(refused(whole().lease(some)), BuildError::RenewedTooLate);
    assert_eq!(refused(whole().described_by("a>b")), BuildError::BadLink);
    assert_eq!(
        refused(whole().described_by(
            "a
"
        )),
        BuildError::BadLink
    );
    assert!(whole().build().is_ok());
}

#[test]
fn a_store_that_outlives_the_process_needs_a_secret_that_does() {
    use buttress_key::DerivationSecret;
    use buttress_store::{Capabilities, Durability};

    let durable = crate::kit::Durable(Capabilities::new(Durability::Crash));
    let shared = crate::kit::Durable(Capabilities::new(Durability::Process).shared());
    for store in [durable, shared] {
        let without = inbound(store.clone()).build();
        assert_eq!(without.unwrap_err(), BuildError::NoSecret);
        let secret = DerivationSecret::new([1; 32]).unwrap();
        assert!(inbound(store).secret(secret).build().is_ok());
    }
}
