//! No body makes the scheme of Adyen's payments panic, and none verifies but by the fields that are signed.

#![no_main]

use std::sync::LazyLock;
use std::time::SystemTime;

use buttress_webhook::{AdyenPaymentsScheme, Delivery, Scheme, Verdict, adyen_payments};
use bytes::Bytes;
use http::Request;
use libfuzzer_sys::fuzz_target;

static SCHEME: LazyLock<AdyenPaymentsScheme> = LazyLock::new(|| {
    adyen_payments("44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056").unwrap()
});

fuzz_target!(|data: &[u8]| {
    let (head, ()) = Request::post("/").body(()).unwrap().into_parts();
    let body = Bytes::copy_from_slice(data);
    let delivery = Delivery {
        head: &head,
        body: &body,
        now: SystemTime::UNIX_EPOCH,
    };
    SCHEME.begin(&head).unwrap();
    if let Ok(Verdict::Verified(receipt)) = SCHEME.finish((), &delivery).into_inner() {
        // The corpus has one genuine item: whatever else is changed, its signed fields are not.
        let id = receipt.event_id().as_str().unwrap();
        assert!(
            id.split(',')
                .all(|id| id == "7914073381342284:AUTHORISATION:true"),
            "{id}"
        );
    }
});
