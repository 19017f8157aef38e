//! Which record a request belongs to, and what its key is used for. Golden vectors in the tests
//! hold both still.

use buttress_event::DedupeKey;
use buttress_key::{DerivationSecret, IdempotencyKey};
use buttress_store::{Fingerprint, RecordKey};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use sha2::{Digest, Sha256};

/// The version of what fingerprints are made of.
const VERSION: u8 = 1;

/// The record of a client's key: whose it is, where, and on which method and route.
pub(crate) fn record(
    namespace: &str,
    scope: Option<&[u8]>,
    method: &str,
    route: &str,
    key: &IdempotencyKey,
) -> RecordKey {
    let [namespace, method, route] = [namespace, method, route].map(str::as_bytes);
    match scope {
        Some(scope) => RecordKey::derive(&[
            b"scoped key",
            namespace,
            scope,
            method,
            route,
            key.as_bytes(),
        ]),
        None => RecordKey::derive(&[b"key", namespace, method, route, key.as_bytes()]),
    }
}

/// The record of a verified event; its name holds source and tenant already.
pub(crate) fn event_record(namespace: &str, event: &DedupeKey) -> RecordKey {
    RecordKey::derive(&[b"event", namespace.as_bytes(), event.as_bytes()])
}

/// Whose executions are counted together.
pub(crate) fn share(scope: &[&[u8]]) -> RecordKey {
    RecordKey::derive(scope)
}

/// A keyed hash of method, path and query, and the content.
pub(crate) fn fingerprint(
    secret: &DerivationSecret,
    head: &Parts,
    content: [u8; 32],
) -> Fingerprint {
    let made = buttress_key::Fingerprint::new(secret, &head.method, &head.uri, &content);
    let mut bytes = *made.as_bytes();
    bytes[0] = VERSION;
    Fingerprint::from_bytes(bytes)
}

/// The fingerprint of an event, the same for all: honest redeliveries may change.
pub(crate) const fn no_fingerprint() -> Fingerprint {
    let mut bytes = [0; Fingerprint::LEN];
    bytes[0] = VERSION;
    Fingerprint::from_bytes(bytes)
}

/// The content as it is: its type and its exact bytes.
pub(crate) fn content(head: &Parts, body: &[u8]) -> [u8; 32] {
    let kind = head.headers.get(CONTENT_TYPE);
    let kind = kind.map_or(&[][..], http::HeaderValue::as_bytes);
    Sha256::new_with_prefix(b"raw")
        .chain_update((kind.len() as u64).to_be_bytes())
        .chain_update(kind)
        .chain_update(body)
        .finalize()
        .into()
}

/// The content as the application writes it, whatever its type.
pub(crate) fn canonical_content(canonical: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(b"canonical")
        .chain_update(canonical)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use http::Request;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    #[test]
    fn golden_records_stay_as_they_are() {
        let key = IdempotencyKey::parse("8e03978e").unwrap();
        let scoped = record("shop", Some(b"tenant 7"), "POST", "/orders", &key);
        let single = record("shop", None, "POST", "/orders", &key);
        assert_eq!(
            hex(scoped.as_bytes()),
            "01d6c8b452079ef2419be84e7f8d7a07aca08b56433cab0d6424d7d3b3b1ce74d1"
        );
        assert_eq!(
            hex(single.as_bytes()),
            "01843772e2414c75bf7987d160bb7333c59f46638230a8eb1d2d5680bc523ddd22"
        );
    }

    #[test]
    fn a_golden_fingerprint_stays_as_it_is() {
        let secret = DerivationSecret::new([7; 32]).unwrap();
        let (head, ()) = Request::post("https://shop.example/orders?dry=1")
            .header("content-type", "application/json")
            .body(())
            .unwrap()
            .into_parts();
        let raw = fingerprint(&secret, &head, content(&head, b"{}"));
        let canonical = fingerprint(&secret, &head, canonical_content(b"{}"));
        assert_eq!(
            hex(raw.as_bytes()),
            "01c1b6c4f7407ff1a1ead9c092ed2a04b73d952e3ddbb0dfa55e96f4bb13739548"
        );
        assert_eq!(
            hex(canonical.as_bytes()),
            "0175e5d97231f7964ea8cfc26624ec1581d81e79045f0b4e6b46efd8919cca49ae"
        );
    }

    #[test]
    fn text_moved_between_type_and_body_makes_another_content() {
        let head = |kind: &str| {
            let request = Request::post("/").header("content-type", kind);
            request.body(()).unwrap().into_parts().0
        };
        assert_ne!(content(&head("a"), b"bc"), content(&head("ab"), b"c"));
    }

    #[test]
    fn no_scope_and_an_empty_one_are_different() {
        let key = IdempotencyKey::parse("k").unwrap();
        assert_ne!(
            record("", None, "POST", "/", &key),
            record("", Some(b""), "POST", "/", &key)
        );
    }
}
