//! Whose a key is and what it is used for: scenarios 11 to 16.

use buttress_idempotency::IdempotencyKeyLayer;
use buttress_store::OrphanPolicy;
use buttress_store_memory::MemoryStore;
use http::{HeaderValue, Method, Request};
use serde_json::Value;

use crate::kit::{Body, Flaky, Runs, inbound, poke, post, send};

#[tokio::test]
async fn s11_the_same_key_with_another_body_is_refused_and_changes_nothing() {
    let runs = Runs::default();
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    send(&service, post("k", "amount=5")).await;
    let other = send(&service, post("k", "amount=9")).await;
    assert_eq!(other.status, 422);
    assert_eq!(other.problem(), "idempotency-key-reused");
    assert!(!other.is_replay());

    let again = send(&service, post("k", "amount=5")).await;
    assert_eq!(again.text(), "run 1");
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn s12_in_flight_too_another_body_is_422_and_does_not_wait() {
    let runs = Runs::default();
    let hour = std::time::Duration::from_secs(60 * 60);
    let layer = inbound(MemoryStore::default()).wait(hour).build().unwrap();
    let service = runs.slow(&layer, std::time::Duration::from_secs(60));
    let mut first = Box::pin(send(&service, post("k", "amount=5")));
    poke(&mut first).await;
    crate::kit::settle().await;

    let start = tokio::time::Instant::now();
    assert_eq!(send(&service, post("k", "amount=9")).await.status, 422);
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    assert_eq!(first.await.text(), "run 1");
}

#[tokio::test]
async fn s13_on_another_method_or_path_a_key_is_another_and_another_query_is_a_misuse() {
    let runs = Runs::default();
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    let ask = |method: Method, uri: &'static str| {
        let mut request = post("k", "order");
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().unwrap();
        send(&service, request)
    };
    assert_eq!(ask(Method::POST, "/orders").await.text(), "run 1");
    assert_eq!(ask(Method::PATCH, "/orders").await.text(), "run 2");
    assert_eq!(ask(Method::POST, "/refunds").await.text(), "run 3");
    assert_eq!(ask(Method::POST, "/orders?dry=1").await.status, 422);
    assert_eq!(
        ask(Method::POST, "https://shop.example/orders")
            .await
            .text(),
        "run 1"
    );
}

#[tokio::test]
async fn a_route_and_a_namespace_of_ones_own_join_and_part_keys() {
    let store = MemoryStore::default();
    let runs = Runs::default();
    let one_route = inbound(store.clone()).route(|_| "/orders/{id}".into());
    let service = runs.numbered(&one_route.build().unwrap());
    let at = |uri: &'static str| {
        let mut request = post("k", "order");
        *request.uri_mut() = uri.parse().unwrap();
        request
    };
    send(&service, at("/orders/1")).await;
    // The path still is part of what the key was used for.
    assert_eq!(send(&service, at("/orders/2")).await.status, 422);

    let [a, b] = ["a", "b"]
        .map(|name| runs.numbered(&inbound(store.clone()).namespace(name).build().unwrap()));
    assert_eq!(send(&a, post("k", "order")).await.text(), "run 2");
    assert_eq!(send(&b, post("k", "order")).await.text(), "run 3");
}

#[tokio::test]
async fn s14_two_tenants_with_the_same_key_never_see_each_others_answer() {
    let runs = Runs::default();
    let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .scope(|head| head.headers.get("x-tenant").cloned())
        .orphan_policy(OrphanPolicy::ReExecute)
        .build()
        .unwrap();
    let service = runs.numbered(&layer);
    let of = |tenant: &'static str| {
        let mut request = post("k", "order");
        let tenant = HeaderValue::from_static(tenant);
        request.headers_mut().insert("x-tenant", tenant);
        request
    };
    assert_eq!(send(&service, of("a")).await.text(), "run 1");
    assert_eq!(send(&service, of("b")).await.text(), "run 2");
    let again = send(&service, of("a")).await;
    assert_eq!(again.text(), "run 1");
    assert!(again.is_replay());
}

#[tokio::test]
async fn a_request_that_nobody_owns_is_not_executed() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = IdempotencyKeyLayer::inbound(store.clone())
        .scope(|_| None::<&str>)
        .orphan_policy(OrphanPolicy::ReExecute)
        .build()
        .unwrap();
    let service = runs.numbered(&layer);
    assert_eq!(send(&service, post("k", "order")).await.status, 500);
    assert_eq!(runs.count(), 0);
    assert_eq!(store.calls(), [0; 5]);
}

#[tokio::test]
async fn s15_json_in_another_order_is_the_same_only_to_a_canonical_fingerprint() {
    let (one, two) = (r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#);
    let runs = Runs::default();
    let raw = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    send(&raw, post("k", one)).await;
    assert_eq!(send(&raw, post("k", two)).await.status, 422);

    let canonical = inbound(MemoryStore::default()).canonical(|_, body| {
        let value: Option<Value> = serde_json::from_slice(body).ok();
        value.map_or_else(|| body.to_vec(), |value| value.to_string().into_bytes())
    });
    let canonical = runs.numbered(&canonical.build().unwrap());
    send(&canonical, post("k", one)).await;
    assert!(send(&canonical, post("k", two)).await.is_replay());
    assert_eq!(send(&canonical, post("k", r#"{"a":1}"#)).await.status, 422);
}

#[tokio::test]
async fn s16_a_multipart_repeat_with_another_boundary_needs_a_fingerprint_of_its_own() {
    let form = |boundary: &str| {
        let mut request = Request::post("/orders").header("idempotency-key", "k");
        let kind = format!("multipart/form-data; boundary={boundary}");
        request = request.header("content-type", kind);
        let body = format!("--{boundary}\r\n\r\nfile\r\n--{boundary}--\r\n");
        request.body(Body::from(body)).unwrap()
    };
    let runs = Runs::default();
    let raw = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    send(&raw, form("one")).await;
    assert_eq!(send(&raw, form("two")).await.status, 422);

    let parts = inbound(MemoryStore::default()).canonical(|head, body| {
        let kind = head.headers["content-type"].to_str().unwrap();
        let boundary = kind.split_once("boundary=").unwrap().1;
        let text = String::from_utf8_lossy(body);
        text.replace(boundary, "").into_bytes()
    });
    let parts = runs.numbered(&parts.build().unwrap());
    send(&parts, form("one")).await;
    assert!(send(&parts, form("two")).await.is_replay());
}

#[tokio::test]
async fn another_content_type_is_another_use() {
    let runs = Runs::default();
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    let of = |kind: &'static str| {
        let mut request = post("k", "order");
        let kind = HeaderValue::from_static(kind);
        request.headers_mut().insert("content-type", kind);
        request
    };
    send(&service, of("text/plain")).await;
    assert_eq!(send(&service, of("application/json")).await.status, 422);
}

#[tokio::test]
async fn two_layers_on_one_memory_store_agree_on_fingerprints() {
    let store = MemoryStore::default();
    let runs = Runs::default();
    let [one, two] =
        [store.clone(), store].map(|store| runs.numbered(&inbound(store).build().unwrap()));
    send(&one, post("k", "order")).await;
    assert!(send(&two, post("k", "order")).await.is_replay());
}
