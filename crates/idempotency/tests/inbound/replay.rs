//! What a repeat is answered: scenarios 7 to 10, 34, 35 and 39.

use std::time::Duration;

use buttress_store_memory::MemoryStore;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{Layer, ServiceExt};

use crate::kit::{Body, Flaky, Runs, inbound, post, see, send};

#[tokio::test]
async fn s07_a_repeat_gets_the_same_status_body_and_headers_and_is_marked() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let service = runs.service(&layer, |run, _| async move {
        let response = Response::builder()
            .status(201)
            .header("location", "/orders/7");
        Ok(response.body(Body::from(format!("run {run}"))).unwrap())
    });
    let first = send(&service, post("k", "order")).await;
    let again = send(&service, post("k", "order")).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["location"], "/orders/7");
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(runs.count(), 1);
    // One round trip for the repeat, two for the execution.
    assert_eq!(store.calls(), [2, 1, 0, 0, 0]);
}

#[tokio::test]
async fn s08_the_first_answer_is_not_marked() {
    let runs = Runs::default();
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    let first = send(&service, post("k", "order")).await;
    assert!(!first.has("idempotent-replayed"));
}

#[tokio::test]
async fn s08_a_mark_that_the_handler_copied_from_somebody_else_is_taken_away() {
    for status in [201_u16, 503] {
        let runs = Runs::default();
        let layer = inbound(MemoryStore::default()).build().unwrap();
        let service = runs.service(&layer, move |_, _| async move {
            // As a gateway does that hands its upstream's answer on.
            let upstream = Response::builder()
                .status(status)
                .header("idempotent-replayed", "true")
                .header("idempotency-status", "unprotected");
            Ok(upstream.body(Body::default()).unwrap())
        });
        let first = send(&service, post("k", "order")).await;
        assert_eq!(first.status, status);
        assert!(!first.has("idempotent-replayed") && !first.has("idempotency-status"));
    }
}

#[tokio::test]
async fn s09_repeated_headers_and_odd_bytes_keep_order_and_value() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let service = runs.service(&layer, |_, _| async {
        let mut response = Response::new(Body::default());
        let headers = response.headers_mut();
        headers.append("x-many", HeaderValue::from_static("b"));
        headers.append("x-many", HeaderValue::from_static("a"));
        headers.append("x-odd", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.append("x-many", HeaderValue::from_static("b"));
        Ok(response)
    });
    send(&service, post("k", "order")).await;
    let again = send(&service, post("k", "order")).await;
    let many: Vec<_> = again.headers.get_all("x-many").iter().collect();
    assert_eq!(many, ["b", "a", "b"]);
    assert_eq!(again.headers["x-odd"].as_bytes(), b"caf\xe9");
}

#[tokio::test]
async fn s10_what_belongs_to_one_connection_moment_or_client_is_not_replayed() {
    let fleeting = [
        ("set-cookie", "session=1"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("server-timing", "db;dur=53"),
        ("traceparent", "00-1"),
        ("ratelimit-remaining", "3"),
        ("access-control-allow-origin", "*"),
        ("x-mine", "not this either"),
    ];
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .exclude_header(HeaderName::from_static("x-mine"))
        .build()
        .unwrap();
    let service = runs.service(&layer, move |_, _| async move {
        let mut response = Response::new(Body::from("12345"));
        for (name, value) in fleeting {
            let value = HeaderValue::from_static(value);
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        response
            .headers_mut()
            .insert("etag", HeaderValue::from_static("\"1\""));
        Ok(response)
    });
    let first = send(&service, post("k", "order")).await;
    assert_eq!(first.headers.len(), fleeting.len() + 1);

    let again = send(&service, post("k", "order")).await;
    for (name, _) in fleeting {
        assert!(!again.has(name), "{name}");
    }
    assert_eq!(again.headers["etag"], "\"1\"");
    assert_eq!(again.text(), "12345");
}

#[tokio::test]
async fn s34_trailers_reach_the_first_client_and_are_not_replayed() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let service = layer.layer(tower::service_fn(|_| async {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("9"));
        let frames = [
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"data"))),
            Ok(Frame::trailers(trailers)),
        ];
        let body = StreamBody::new(futures_util::stream::iter(frames));
        Ok::<_, std::convert::Infallible>(Response::new(body))
    }));
    let first = service.clone().oneshot(post("k", "order")).await.unwrap();
    let first = first.into_body().collect().await.unwrap();
    assert_eq!(first.trailers().unwrap()["x-sum"], "9");
    assert_eq!(first.to_bytes(), "data");

    let again = service.oneshot(post("k", "order")).await.unwrap();
    let again = again.into_body().collect().await.unwrap();
    assert!(again.trailers().is_none());
    assert_eq!(again.to_bytes(), "data");
}

#[tokio::test]
async fn s35_an_answer_without_content_is_replayed_without_content() {
    for status in [204_u16, 304, 205] {
        let runs = Runs::default();
        let layer = inbound(MemoryStore::default()).build().unwrap();
        let service = runs.service(&layer, move |_, _| async move {
            Ok(Response::builder()
                .status(status)
                .body(Body::default())
                .unwrap())
        });
        send(&service, post("k", "order")).await;
        let again = send(&service, post("k", "order")).await;
        assert_eq!((again.status, again.body.len()), (status, 0));
        assert!(again.is_replay() && !again.has("content-length"));
    }
}

#[tokio::test(start_paused = true)]
async fn s39_a_key_is_forgotten_at_the_end_of_its_retention_and_not_before() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .retention(Duration::from_secs(10))
        .build()
        .unwrap();
    let service = runs.numbered(&layer);
    send(&service, post("k", "order")).await;
    tokio::time::advance(Duration::from_millis(9999)).await;
    assert!(send(&service, post("k", "order")).await.is_replay());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
}

#[tokio::test]
async fn a_first_answer_in_one_piece_keeps_its_exact_size() {
    let runs = Runs::default();
    let service = runs.numbered(&inbound(MemoryStore::default()).build().unwrap());
    for _ in 0..2 {
        let response = service.clone().oneshot(post("k", "order")).await.unwrap();
        let size = http_body::Body::size_hint(response.body());
        assert_eq!(size.exact(), Some(5));
        assert_eq!(see(response).await.text(), "run 1");
    }
}
