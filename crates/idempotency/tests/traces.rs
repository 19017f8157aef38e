//! What is traced of a key. A file of its own: a callsite that another test registers at the same
//! moment, without a subscriber, could stay off.

mod common;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use buttress_idempotency::{IdempotencyKeyLayer, Operation};
use buttress_key::{DerivationSecret, Profile};
use common::{key, owned, post, send, with};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

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

#[test]
fn a_key_is_traced_by_its_hash_alone() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let layer = layer();
            send(&layer, with(post(BODY), owned(KEY).with_generation(3)))
                .await
                .unwrap();
            send(&layer, with(post("other"), owned(KEY)))
                .await
                .unwrap_err();
        });
    });
    let log = log.0.lock().unwrap().clone();
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

/// A subscriber that keeps the fields of all events as text.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("buttress")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Text(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}
