//! What is kept is what was given, whatever its bytes.

use buttress_store::{Begin, BeginRequest, Fingerprint, RecordKey, Settled, StoredResponse, Token};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::Stage;
use crate::stage::{acquired, is_in_progress};

/// Keys, tokens and fingerprints are bytes: separators, wildcards, NUL and bytes beyond ASCII.
pub async fn any_bytes_make_a_key(stage: &Stage) {
    let own = *stage.key("k").as_bytes();
    let mut keys = Vec::new();
    for pattern in [
        &b":"[..],
        b"{}",
        b"%",
        b"\0",
        b"\xff",
        b"'\"\\",
        b"\r\n",
        b"*?[",
        b"\0:\xff%",
    ] {
        let mut key = own;
        // The last half stays, so that stages that share a server do not meet.
        for (byte, pattern) in key[1..17].iter_mut().zip(pattern.iter().cycle()) {
            *byte = *pattern;
        }
        keys.push(RecordKey::from_bytes(key));
    }
    for (number, key) in (0_u8..).zip(&keys) {
        let mut fingerprint = [number.wrapping_mul(85); Fingerprint::LEN];
        fingerprint[0] = 1;
        let request = BeginRequest {
            key: *key,
            fingerprint: Fingerprint::from_bytes(fingerprint),
            token: Token::from_bytes([255 - number; Token::LEN]),
            ..stage.request("")
        };
        let claim = acquired(stage.begin(request).await);
        assert_eq!(claim.key(), key);
        assert_eq!(acquired(stage.begin(request).await), claim);
    }
    for key in keys {
        let found = stage.begin(BeginRequest {
            key,
            ..stage.request("")
        });
        let found = found.await;
        assert!(
            is_in_progress(&found) || found == Begin::Mismatch,
            "{found:?}"
        );
    }
}

/// Answers of no bytes and of a mebibyte, of every byte value, are kept to the byte.
pub async fn any_bytes_make_an_answer(stage: &Stage) {
    let every: Vec<u8> = (0..=255).collect();
    let mut headers = HeaderMap::new();
    headers.append("x-many", HeaderValue::from_bytes(&every[128..]).unwrap());
    headers.append("x-many", HeaderValue::from_static(""));
    headers.append("x-one", HeaderValue::from_static("1"));
    let answers = [
        StoredResponse::new(StatusCode::NO_CONTENT, &HeaderMap::new(), &[]),
        StoredResponse::new(StatusCode::IM_A_TEAPOT, &headers, &every),
        StoredResponse::new(StatusCode::OK, &headers, &every.repeat(4096)),
        StoredResponse::without_body(StatusCode::OK, &headers),
        StoredResponse::sealed(&every),
    ];
    for (number, answer) in answers.iter().enumerate() {
        let name = number.to_string();
        let claim = stage.claim(&name).await;
        let settled = stage.store().complete(&claim, answer, stage.retention());
        assert_eq!(settled.await.unwrap(), Settled::Applied);
        let found = stage.answer(&name).await;
        assert_eq!(found.encoded(), answer.encoded(), "answer {number}");
    }
}

/// An answer in the format of the version before is kept as it is, and read.
pub async fn an_answer_of_the_version_before_is_kept_and_read(stage: &Stage) {
    // 201, `location: /1`, `paid`.
    let old = Bytes::from_static(b"\x01\x00\xc9\x01\x08location\x02/1\x04paid");
    let answer = StoredResponse::decode(old.clone()).unwrap();
    let claim = stage.claim("k").await;
    let settled = stage.store().complete(&claim, &answer, stage.retention());
    assert_eq!(settled.await.unwrap(), Settled::Applied);

    let found = stage.answer("k").await;
    assert_eq!(found.encoded(), &old);
    let read = found.to_response().unwrap();
    assert_eq!(read.status(), StatusCode::CREATED);
    assert_eq!(read.headers()["location"], "/1");
    assert_eq!(read.body(), "paid");
}
