//! No `Signature-Input`, `Signature` or `Content-Digest` makes the reader of message signatures panic.
//!
//! Three lines are the values of the three headers, and the rest is the body.

#![no_main]

use std::sync::LazyLock;
use std::time::SystemTime;

use buttress_event::Source;
use buttress_webhook::{Delivery, MessageKey, MessageSignatureScheme, PublicUrl, Scheme};
use bytes::Bytes;
use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

static SCHEME: LazyLock<MessageSignatureScheme> = LazyLock::new(|| {
    MessageSignatureScheme::builder(
        Source::from_static("rfc"),
        "s",
        PublicUrl::origin("https://example.com").unwrap(),
        MessageKey::hmac_sha256("a secret of nobody's").unwrap(),
    )
    .require(["@method"])
    .id_member("id")
    .build()
});

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut request = Request::post("/foo?Pet=dog&a=%20+").header("content-type", "x");
    for name in ["signature-input", "signature", "content-digest"] {
        if let Some(Ok(value)) = lines.next().map(HeaderValue::from_bytes) {
            request = request.header(name, value);
        }
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let body = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    if let Ok(mut progress) = SCHEME.begin(&head) {
        SCHEME.update(&mut progress, &body);
        let delivery = Delivery {
            head: &head,
            body: &body,
            now: SystemTime::UNIX_EPOCH,
        };
        assert!(SCHEME.finish(progress, &delivery).into_inner().is_err());
    }
});
