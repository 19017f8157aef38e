//! What is stored and derived, byte for byte. A change here breaks every store in the field.

use buttress_store::{Fingerprint, RecordKey, StoreErrorKind, StoredResponse, Token};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Version 2, no flags, 201, `location: /o/1`, two `x-tag` (one beyond ASCII), body `paid`.
const VERSION_2: &str =
    "020000c903086c6f636174696f6e042f6f2f3105782d746167016105782d74616702c3a90470616964";
/// The same in version 1, which had no flags.
const VERSION_1: &str =
    "0100c903086c6f636174696f6e042f6f2f3105782d746167016105782d74616702c3a90470616964";

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.append("location", HeaderValue::from_static("/o/1"));
    headers.append("x-tag", HeaderValue::from_static("a"));
    headers.append("x-tag", HeaderValue::from_bytes("é".as_bytes()).unwrap());
    headers
}

fn bytes(hex: &str) -> Bytes {
    hex::decode(hex).unwrap().into()
}

#[test]
fn a_response_is_written_in_version_2() {
    let response = StoredResponse::new(StatusCode::CREATED, &headers(), b"paid");
    assert_eq!(hex::encode(response.encoded()), VERSION_2);
}

#[test]
fn both_versions_read_the_same() {
    for version in [VERSION_1, VERSION_2] {
        let stored = StoredResponse::decode(bytes(version)).unwrap();
        let response = stored.to_response().unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers(), &headers());
        assert_eq!(response.body(), "paid");
        assert!(!stored.is_body_dropped());
    }
}

#[test]
fn a_reader_of_version_1_refuses_version_2_and_still_reads_its_own() {
    let error = StoredResponse::decode_up_to(bytes(VERSION_2), 1).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unsupported);
    StoredResponse::decode_up_to(bytes(VERSION_1), 1).unwrap();
}

#[test]
fn a_newer_version_or_flag_is_unsupported_and_never_guessed() {
    let newer = VERSION_2.replacen("02", "03", 1);
    let flagged = VERSION_2.replacen("0200", "0204", 1);
    for hex in [newer, flagged] {
        let error = StoredResponse::decode(bytes(&hex)).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unsupported, "{hex}");
    }
}

#[test]
fn flags_are_bits_of_the_second_byte() {
    let dropped = StoredResponse::without_body(StatusCode::OK, &HeaderMap::new());
    assert_eq!(hex::encode(dropped.encoded()), "020100c80000");
    let sealed = StoredResponse::sealed(b"secret");
    assert_eq!(hex::encode(sealed.encoded()), "0202736563726574");
}

#[test]
fn a_record_key_is_sha_256_over_fields_behind_their_lengths() {
    let key = RecordKey::derive(&[b"shop", b"", b"k1"]);
    assert_eq!(hex::encode(key.as_bytes()), GOLDEN_KEY,);
    assert_ne!(key, RecordKey::derive(&[b"shop", b"k1", b""]));
    assert_ne!(key, RecordKey::derive(&[b"shopk1"]));
}

/// `python3 -c "import hashlib,struct; print('01'+hashlib.sha256(b'\x01'+b''.join(
/// struct.pack('>Q',len(f))+f for f in [b'shop',b'',b'k1'])).hexdigest())"`
const GOLDEN_KEY: &str = "01b769409320550d4c8e6e27b65cf7814cf3e468c7254e66cdd705e3b20a19db24";

#[test]
fn bytes_given_are_bytes_kept() {
    let key: [u8; RecordKey::LEN] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    assert_eq!(RecordKey::from_bytes(key).as_bytes(), &key);
    assert_eq!(Fingerprint::from_bytes(key).as_bytes(), &key);
    assert_eq!(Token::from_bytes([7; 16]).as_bytes(), &[7; 16]);
}
