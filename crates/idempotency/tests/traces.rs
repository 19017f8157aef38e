//! What is traced of a key.

mod common;

use buttress_idempotency::{IdempotencyKeyLayer, Operation};
use buttress_key::{DerivationSecret, Profile};
use buttress_test_telemetry::traces;
use common::{key, owned, post, send, with};

const KEY: &str = "sesame-key";
const BODY: &str = "sesame=body";

fn layer() -> IdempotencyKeyLayer<buttress_idempotency::Outbound> {
    let secret = || DerivationSecret::new("sesame-secret-of-the-house").unwrap();
    IdempotencyKeyLayer::outbound(Profile::adyen())
        .fingerprints(secret())
        .derive(secret(), "shop", |_| {
            Some(Operation::new("charge", "sesame".repeat(9)))
        })
}

#[tokio::test]
async fn a_key_is_traced_by_its_hash_alone() {
    let traces = traces("buttress");
    let layer = layer();
    send(&layer, with(post(BODY), owned(KEY).with_generation(3)))
        .await
        .unwrap();
    send(&layer, with(post("other"), owned(KEY)))
        .await
        .unwrap_err();

    let log = traces.lines().join("\n");
    assert!(!log.contains("sesame"), "{log}");
    assert!(
        log.contains(&format!("idempotency.key_hash={}", key(KEY).hash())),
        "{log}"
    );
    for field in [
        "idempotency.profile=\"adyen\"",
        "idempotency.key_origin=\"caller\"",
        "idempotency.generation=3",
        "error.type=\"key_reused\"",
    ] {
        assert!(log.contains(field), "{field} in {log}");
    }
}
