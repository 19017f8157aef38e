//! Events that are sent more than once: scenarios 43 and 44.

use std::time::Duration;

use buttress_event::{Dedupe, EventId, Source, Tenant, Verified};
use buttress_idempotency::{Execution, IdempotencyKeyLayer, Inbound, InboundBuilder};
use buttress_store::{IdempotencyStore, OrphanPolicy};
use buttress_store_memory::MemoryStore;
use http::Request;

use crate::kit::{Body, Flaky, Runs, created, poke, send, settle};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn webhooks(store: impl IdempotencyStore) -> InboundBuilder {
    IdempotencyKeyLayer::inbound(store)
        .webhooks()
        .orphan_policy(OrphanPolicy::ReExecute)
}

fn layer(store: impl IdempotencyStore) -> IdempotencyKeyLayer<Inbound> {
    webhooks(store).build().unwrap()
}

fn receipt(tenant: &str, id: &str) -> Verified {
    Verified::new(Source::from_static("stripe"))
        .with_tenant(Tenant::new(tenant))
        .with_event_id(EventId::signed(id))
}

fn event(verified: Verified, body: &str) -> Request<Body> {
    let request = Request::post("/hooks").extension(verified);
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn s43_a_duplicate_is_answered_200_and_not_executed() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&layer(store.clone()));
    let first = send(&service, event(receipt("acme", "evt_1"), "{}")).await;
    assert_eq!((first.status, first.text()), (201, "run 1"));

    // An honest redelivery may differ, in its body too.
    let again = send(&service, event(receipt("acme", "evt_1"), "{\"attempt\":2}")).await;
    assert_eq!((again.status, again.text()), (200, ""));
    assert!(again.is_replay());
    assert_eq!(runs.count(), 1);
    assert_eq!(store.calls(), [2, 1, 0, 0, 0]);
}

#[tokio::test]
async fn s43_a_sender_that_wants_another_status_gets_it() {
    let runs = Runs::default();
    let service = runs.numbered(&layer(MemoryStore::default()));
    let receipt = || receipt("acme", "evt_1").with_success(http::StatusCode::NO_CONTENT);
    send(&service, event(receipt(), "{}")).await;
    assert_eq!(send(&service, event(receipt(), "{}")).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn s43_one_in_flight_is_503_with_a_time_to_wait() {
    let runs = Runs::default();
    let service = runs.slow(&layer(MemoryStore::default()), 5 * SECOND);
    let mut first = Box::pin(send(&service, event(receipt("acme", "evt_1"), "{}")));
    poke(&mut first).await;
    settle().await;
    let second = send(&service, event(receipt("acme", "evt_1"), "{}")).await;
    assert_eq!(second.status, 503);
    assert_eq!(second.headers["retry-after"], "1");
    assert_eq!(first.await.status, 201);
}

#[tokio::test]
async fn s43_the_same_id_of_another_tenant_is_another_event() {
    let runs = Runs::default();
    let service = runs.numbered(&layer(MemoryStore::default()));
    for tenant in ["acme", "umbrella"] {
        let seen = send(&service, event(receipt(tenant, "evt_1"), "{}")).await;
        assert!(!seen.is_replay());
    }
    assert_eq!(runs.count(), 2);
}

#[tokio::test]
async fn s43_what_nobody_verified_is_not_executed() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.numbered(&layer(store.clone()));
    let forged = Request::post("/hooks").body(Body::from("{}")).unwrap();
    assert_eq!(send(&service, forged).await.status, 500);
    assert_eq!((runs.count(), store.calls()), (0, [0; 5]));
}

#[tokio::test]
async fn an_unsigned_id_decides_nothing_and_some_events_are_never_the_same() {
    let runs = Runs::default();
    let service = runs.numbered(&layer(MemoryStore::default()));
    let unsigned = |id: &str| {
        Verified::new(Source::from_static("github")).with_event_id(EventId::unsigned(id))
    };
    send(&service, event(unsigned("1"), "{}")).await;
    assert!(send(&service, event(unsigned("2"), "{}")).await.is_replay());
    assert!(
        !send(&service, event(unsigned("1"), "{1}"))
            .await
            .is_replay()
    );
    assert_eq!(runs.count(), 2);

    let never = || unsigned("3").with_dedupe(Dedupe::Never);
    for _ in 0..2 {
        assert!(!send(&service, event(never(), "{}")).await.is_replay());
    }
    assert_eq!(runs.count(), 4);
}

#[tokio::test]
async fn s44_after_a_failure_the_redelivery_is_executed() {
    for status in [400_u16, 404, 409, 500, 503] {
        let runs = Runs::default();
        let service = runs.status(&layer(MemoryStore::default()), status);
        for run in 1..=2 {
            let seen = send(&service, event(receipt("acme", "evt_1"), "{}")).await;
            assert_eq!((seen.status, runs.count()), (status, run));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s44_after_a_panic_the_redelivery_is_executed_once_the_lease_has_ended() {
    let runs = Runs::default();
    let service = runs.service(&layer(MemoryStore::default()), |run, request| async move {
        let execution = request.extensions().get::<Execution>().unwrap();
        assert_eq!(execution.number() as usize, run);
        assert!(execution.key().is_none());
        assert!(run > 1, "a bug in the handler");
        created(run)
    });
    let deliver = || send(&service, event(receipt("acme", "evt_1"), "{}"));
    assert_eq!(deliver().await.status, 500);
    assert_eq!(deliver().await.status, 503);
    tokio::time::advance(60 * SECOND).await;
    assert_eq!(deliver().await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn under_refuse_a_failure_is_not_executed_again_and_the_sender_keeps_trying() {
    let refusing = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .webhooks()
        .orphan_policy(OrphanPolicy::Refuse)
        .build()
        .unwrap();
    let runs = Runs::default();
    let service = runs.status(&refusing, 500);
    let deliver = || send(&service, event(receipt("acme", "evt_1"), "{}"));
    deliver().await;
    tokio::time::advance(60 * SECOND).await;
    let seen = deliver().await;
    assert_eq!(seen.status, 503);
    assert!(seen.has("retry-after"));
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn events_are_remembered_for_35_days() {
    let runs = Runs::default();
    let service = runs.numbered(&layer(MemoryStore::default()));
    let deliver = || send(&service, event(receipt("acme", "evt_1"), "{}"));
    deliver().await;
    tokio::time::advance(34 * DAY + 23 * HOUR).await;
    assert!(deliver().await.is_replay());
    tokio::time::advance(HOUR).await;
    assert!(!deliver().await.is_replay());
}

#[test]
fn no_secret_is_needed_where_nothing_is_compared() {
    use buttress_store::{Capabilities, Durability};
    let durable = crate::kit::Durable(Capabilities::new(Durability::PowerLoss).shared());
    assert!(webhooks(durable).build().is_ok());
}
