//! The binary record of an answer.

use buttress_store::{StoreErrorKind, StoredResponse};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;

fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let value = vec(prop_oneof![32_u8..127, 128_u8..=255], 0..200);
    vec(("[a-z-]{1,12}", value), 0..20).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        headers
    })
}

proptest! {
    #[test]
    fn what_is_stored_is_what_is_read(
        status in 100_u16..1000, headers in any_headers(), body in vec(any::<u8>(), 0..3000),
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let stored = StoredResponse::new(status, &headers, &body);
        let read = StoredResponse::decode(stored.encoded().clone()).unwrap();
        prop_assert_eq!(&read, &stored);

        let response = read.to_response().unwrap();
        prop_assert_eq!(response.status(), status);
        prop_assert_eq!(&response.body()[..], &body[..]);
        let order: Vec<_> = response.headers().iter().collect();
        prop_assert_eq!(order, headers.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_record_cut_short_or_grown_is_corrupt(headers in any_headers(), cut: prop::sample::Index) {
        let stored = StoredResponse::new(StatusCode::OK, &headers, b"body");
        let whole = stored.encoded();
        let short = whole.slice(..cut.index(whole.len()));
        let mut long = whole.to_vec();
        long.push(0);
        for damaged in [short, Bytes::from(long)] {
            let error = StoredResponse::decode(damaged).unwrap_err();
            prop_assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(stored) = StoredResponse::decode(bytes.clone().into()) {
            prop_assert_eq!(&stored.encoded()[..], &bytes[..]);
            prop_assert!(stored.sealed_contents().is_some() || stored.to_response().is_ok());
        }
    }
}

#[test]
fn a_length_beyond_all_memory_is_corrupt_and_reserves_nothing() {
    for count in ["ffffffffffffffff7f", "ffffffffffffffffffff01"] {
        let bytes = hex::decode(format!("020000c8{count}")).unwrap();
        let error = StoredResponse::decode(bytes.into()).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    }
}

#[test]
fn an_empty_body_and_one_of_a_mebibyte_are_kept() {
    for size in [0, 1 << 20] {
        let body = vec![0x80; size];
        let stored = StoredResponse::new(StatusCode::NO_CONTENT, &HeaderMap::new(), &body);
        assert_eq!(stored.to_response().unwrap().body(), &body);
    }
}

#[test]
fn a_dropped_body_is_remembered_as_dropped() {
    let mut headers = HeaderMap::new();
    headers.append("etag", HeaderValue::from_static("\"1\""));
    let stored = StoredResponse::new(StatusCode::OK, &headers, b"much");
    let dropped = stored.drop_body().unwrap();
    assert!(dropped.is_body_dropped() && !stored.is_body_dropped());
    let response = dropped.to_response().unwrap();
    assert!(response.body().is_empty());
    assert_eq!(response.headers(), &headers);
}

#[test]
fn a_sealed_record_is_no_answer_to_anybody_without_its_wrapper() {
    let sealed = StoredResponse::sealed(b"ciphertext");
    let read = StoredResponse::decode(sealed.encoded().clone()).unwrap();
    assert_eq!(read.sealed_contents().unwrap(), "ciphertext");
    assert_eq!(
        read.to_response().unwrap_err().kind(),
        StoreErrorKind::Unsupported
    );
    assert_eq!(read.drop_body().unwrap(), sealed);
}

#[test]
fn debug_shows_no_content() {
    let mut headers = HeaderMap::new();
    headers.append("x-secret", HeaderValue::from_static("hush"));
    let shown = format!(
        "{:?}",
        StoredResponse::new(StatusCode::OK, &headers, b"hush")
    );
    assert!(!shown.contains("hush") && !shown.contains("104"), "{shown}");
}
