//! Claims while they live, and after they are lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_idempotency::{Execution, IdempotencyKeyLayer, Reconciled, child_key};
use buttress_store::{IdempotencyStore, OrphanPolicy, Resolution, Settled, StoredResponse};
use buttress_store_memory::MemoryStore;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use crate::kit::{Flaky, Mode, Runs, created, inbound, poke, post, send, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_long_execution_keeps_its_claim_by_renewing_it() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.slow(&inbound(store.clone()).build().unwrap(), 301 * SECOND);
    let mut owner = Box::pin(send(&service, post("k", "order")));
    poke(&mut owner).await;
    for _ in 0..30 {
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(send(&service, post("k", "order")).await.status, 409);
    }
    assert_eq!(owner.await.text(), "run 1");
    assert_eq!(runs.count(), 1);
    assert_eq!(store.calls()[2], 20);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_repeated_in_time() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.slow(&inbound(store.clone()).build().unwrap(), 100 * SECOND);
    let mut owner = Box::pin(send(&service, post("k", "order")));
    poke(&mut owner).await;
    store.renew_is(Mode::Down);
    tokio::time::sleep(58 * SECOND).await;
    store.renew_is(Mode::Up);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(send(&service, post("k", "order")).await.status, 409);
    owner.await;
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_zombie_is_told_and_its_answer_is_not_the_one_that_counts() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let service = runs.service(
        &inbound(store.clone()).build().unwrap(),
        move |run, request| {
            let execution = request.extensions().get::<Execution>().unwrap().clone();
            let noted = noted.clone();
            async move {
                if run == 1 {
                    execution.lease_lost().await;
                    assert!(execution.is_lease_lost());
                    // Too late to stop.
                    tokio::time::sleep(5 * SECOND).await;
                }
                noted.lock().unwrap().push((run, execution.number()));
                created(run)
            }
        },
    );
    let mut zombie = Box::pin(send(&service, post("k", "order")));
    poke(&mut zombie).await;
    store.renew_is(Mode::Down);
    tokio::time::sleep(61 * SECOND).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
    store.renew_is(Mode::Up);

    // Its client is told to ask again, and is then answered what everybody is.
    let zombie = zombie.await;
    assert_eq!(
        (zombie.status, &*zombie.problem()),
        (409, "idempotency-key-in-flight")
    );
    assert!(zombie.has("retry-after"));
    let again = send(&service, post("k", "order")).await;
    assert_eq!(again.text(), "run 2");
    assert_eq!(*seen.lock().unwrap(), [(2, 2), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_execution_out_of_reach_of_its_store_is_told_when_its_lease_ends() {
    for mode in [Mode::Down, Mode::Hang] {
        let (store, runs) = (Flaky::default(), Runs::default());
        store.renew_is(mode);
        let layer = inbound(store.clone()).build().unwrap();
        let start = tokio::time::Instant::now();
        let service = runs.service(&layer, move |run, request| {
            let execution = request.extensions().get::<Execution>().unwrap().clone();
            async move {
                execution.lease_lost().await;
                assert_eq!(start.elapsed(), 60 * SECOND);
                created(run)
            }
        });
        assert_eq!(send(&service, post("k", "order")).await.text(), "run 1");
        // Nobody took over, so it counts all the same.
        assert!(send(&service, post("k", "order")).await.is_replay());
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_heard_of_after_its_lease_is_not_executed_and_is_given_back() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).store_timeout(120 * SECOND).build();
    let service = runs.numbered(&layer.unwrap());
    store.begin_is(Mode::Late(60));
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(
        (seen.status, &*seen.problem()),
        (503, "idempotency-unavailable")
    );
    assert_eq!(runs.count(), 0);
    assert_eq!(store.calls()[3], 1);

    store.begin_is(Mode::Late(59));
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 1");
}

#[tokio::test(start_paused = true)]
async fn the_next_execution_has_another_token_and_number_and_the_same_child_keys() {
    let runs = Runs::default();
    let noted = Arc::new(Mutex::new(Vec::new()));
    let note = noted.clone();
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let service = runs.service(&layer, move |run, request| {
        let execution = request.extensions().get::<Execution>().unwrap().clone();
        note.lock().unwrap().push(execution);
        async move {
            assert!(run > 1, "a bug in the handler");
            created(run)
        }
    });
    send(&service, post("k", "order")).await;
    tokio::time::advance(60 * SECOND).await;
    send(&service, post("k", "order")).await;
    let noted = noted.lock().unwrap();
    let [first, second] = &noted[..] else {
        panic!()
    };
    assert_eq!((first.number(), second.number()), (1, 2));
    assert_ne!(first.token(), second.token());
    assert_eq!(first.child_key("charge"), second.child_key("charge"));
    assert_eq!(
        first.child_key("charge"),
        child_key(first.record_key(), "charge")
    );
    assert_eq!(first.key().unwrap().as_str(), "k");
}

/// A layer under `Refuse` whose first execution was lost, and the builder's end.
async fn lost(
    build: impl FnOnce(buttress_idempotency::InboundBuilder) -> buttress_idempotency::InboundBuilder,
) -> (MemoryStore, Runs, crate::kit::Service) {
    let store = MemoryStore::default();
    let builder = IdempotencyKeyLayer::inbound(store.clone())
        .single_tenant()
        .orphan_policy(OrphanPolicy::Refuse);
    let layer = build(builder).build().unwrap();
    let runs = Runs::default();
    let service = runs.service(&layer, |run, _| async move {
        assert!(run > 1, "a bug in the handler");
        created(run)
    });
    send(&service, post("k", "order")).await;
    tokio::time::advance(60 * SECOND).await;
    (store, runs, service)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_listed_and_settled_by_adopt() {
    let (store, runs, service) = lost(|builder| builder).await;
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(
        (seen.status, &*seen.problem()),
        (409, "idempotency-outcome-unknown")
    );

    let listed = store.unknowns(None, 10.try_into().unwrap()).await.unwrap();
    let [unknown] = &listed[..] else {
        panic!("{listed:?}")
    };
    let resolution = Resolution::Completed {
        response: StoredResponse::new(StatusCode::CREATED, &HeaderMap::new(), b"looked up"),
        retention: 60 * SECOND,
    };
    let adopted = store.adopt(unknown.key(), &resolution).await.unwrap();
    assert_eq!(adopted, Settled::Applied);
    let again = send(&service, post("k", "order")).await;
    assert_eq!((again.status, again.text()), (201, "looked up"));
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_application_may_know_what_became_of_a_lost_execution() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ask = asked.clone();
    let (_, runs, service) = lost(move |builder| {
        builder.reconcile(move |unresolved| {
            let body = unresolved.request().body().clone();
            let child = unresolved.child_key("charge");
            ask.lock().unwrap().push((unresolved.key().cloned(), body));
            assert_eq!(child, child_key(unresolved.record_key(), "charge"));
            async {
                let found = Response::builder().status(201).header("set-cookie", "no");
                Some(Reconciled::Completed(
                    found.body(Bytes::from("found")).unwrap(),
                ))
            }
        })
    })
    .await;
    for _ in 0..2 {
        let seen = send(&service, post("k", "order")).await;
        assert_eq!((seen.status, seen.text()), (201, "found"));
        assert!(seen.is_replay() && !seen.has("set-cookie"));
    }
    assert_eq!(runs.count(), 1);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0.as_ref().unwrap().as_str(), "k");
    assert_eq!(asked[0].1, "order");
}

#[tokio::test(start_paused = true)]
async fn what_was_certainly_not_executed_is_executed_by_the_repeat() {
    let not_executed = |builder: buttress_idempotency::InboundBuilder| {
        builder.reconcile(|_| async { Some(Reconciled::NotExecuted) })
    };
    let (_, runs, service) = lost(not_executed).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
    assert_eq!(runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_cannot_say_leaves_it_unknown() {
    let silent =
        |builder: buttress_idempotency::InboundBuilder| builder.reconcile(|_| async { None });
    let (_, runs, service) = lost(silent).await;
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(seen.problem(), "idempotency-outcome-unknown");
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_is_cut_off_from_its_store_still_knows_its_lease_is_alive() {
    let (store, runs) = (Flaky::default(), Runs::default());
    let service = runs.service(&inbound(store.clone()).build().unwrap(), |run, request| {
        let execution = request.extensions().get::<Execution>().unwrap().clone();
        async move {
            tokio::time::sleep(50 * SECOND).await;
            assert!(!execution.is_lease_lost());
            created(run)
        }
    });
    store.renew_is(Mode::Hang);
    assert_eq!(send(&service, post("k", "order")).await.status, 201);
    settle().await;
}
