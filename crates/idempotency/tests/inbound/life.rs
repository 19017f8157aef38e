//! Clients that leave, handlers that fail, servers that stop: scenarios 23 to 29 and 40.

use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_deadline::Deadline;
use buttress_idempotency::{Execution, IdempotencyKeyLayer};
use buttress_store::OrphanPolicy;
use buttress_store_memory::MemoryStore;
use http::Response;
use http_body_util::Channel;
use tower::{Layer, ServiceExt};

use crate::kit::{Body, Flaky, Runs, created, inbound, poke, post, send, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn s23_a_client_that_hangs_up_at_any_point_loses_nothing() {
    // Each round hangs up after one more poll; with none the request was never sent.
    for polls in 1..8 {
        let runs = Runs::default();
        let layer = inbound(MemoryStore::default()).build().unwrap();
        let service = runs.service(&layer, |run, _| async move {
            for _ in 0..3 {
                tokio::time::sleep(SECOND).await;
            }
            created(run)
        });
        let mut first = Box::pin(service.clone().oneshot(post("k", "order")));
        for _ in 0..polls {
            if futures_util::future::poll_immediate(&mut first)
                .await
                .is_some()
            {
                break;
            }
            settle().await;
            tokio::time::advance(SECOND / 2).await;
        }
        drop(first);
        assert_eq!(layer.executions().drain(10 * SECOND).await, 0);

        let again = send(&service, post("k", "order")).await;
        assert!(again.is_replay(), "after {polls} polls");
        assert_eq!(again.text(), "run 1");
        assert_eq!(runs.count(), 1);
    }
}

#[tokio::test]
async fn s24_a_client_that_hangs_up_while_uploading_has_claimed_nothing() {
    let store = Flaky::default();
    let layer = inbound(store.clone()).build().unwrap();
    let service = layer.layer(tower::service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(Response::new(Body::default()))
    }));
    let (sender, body) = Channel::<bytes::Bytes, std::io::Error>::new(1);
    let upload = post("k", "").map(|_| body);
    let mut call = Box::pin(service.clone().oneshot(upload));
    poke(&mut call).await;
    drop(call);
    assert_eq!(store.calls(), [0; 5]);
    drop(sender);

    // A body that breaks off is the client's fault, and claims nothing either.
    let (sender, body) = Channel::new(1);
    let call = tokio::spawn(service.oneshot(post("k", "").map(|_| body)));
    sender.abort(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let seen = crate::kit::see(call.await.unwrap().unwrap()).await;
    assert_eq!((seen.status, &*seen.problem()), (400, "body-incomplete"));
    assert_eq!(store.calls(), [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn s25_a_panic_is_a_500_and_holds_the_key_until_the_lease_ends() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let service = runs.service(&layer, |run, _| async move {
        assert!(run > 1, "a bug in the handler");
        created(run)
    });
    let seen = send(&service, post("k", "order")).await;
    assert_eq!((seen.status, &*seen.problem()), (500, "about:blank"));
    assert!(!seen.text().contains("bug"));
    assert_eq!(layer.executions().running(), 0);
    assert_eq!(send(&service, post("k", "order")).await.status, 409);

    tokio::time::advance(60 * SECOND).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
}

#[tokio::test]
async fn s25_a_panic_of_a_handler_that_did_nothing_frees_the_key() {
    let runs = Runs::default();
    let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .single_tenant()
        .orphan_policy(OrphanPolicy::Refuse)
        .build()
        .unwrap();
    let service = runs.service(&layer, |run, request| {
        let execution = request.extensions().get::<Execution>().unwrap();
        if run == 1 {
            execution.nothing_done();
        }
        assert!(run > 2, "a bug in the handler");
        async move { created(run) }
    });
    assert_eq!(send(&service, post("k", "order")).await.status, 500);
    // The second one did not say so.
    assert_eq!(send(&service, post("k", "order")).await.status, 500);
    assert_eq!(send(&service, post("k", "order")).await.status, 409);
    assert_eq!(runs.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn s25_under_refuse_a_panic_leaves_the_outcome_unknown() {
    let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .single_tenant()
        .orphan_policy(OrphanPolicy::Refuse)
        .build()
        .unwrap();
    let runs = Runs::default();
    let service = runs.service(&layer, |_, _| async { panic!("a bug in the handler") });
    assert_eq!(send(&service, post("k", "order")).await.status, 500);
    tokio::time::advance(60 * SECOND).await;
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(seen.status, 409);
    assert_eq!(seen.problem(), "idempotency-outcome-unknown");
    assert!(!seen.has("retry-after"));
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn s26_an_error_of_the_service_stays_its_own_and_holds_the_key() {
    let layer = inbound(MemoryStore::default()).build().unwrap();
    let service = layer.layer(tower::service_fn(|_| async {
        Err::<Response<Body>, _>("out of order")
    }));
    let failed = service.clone().oneshot(post("k", "order")).await;
    assert_eq!(failed.unwrap_err(), "out of order");
    let second = service.clone().oneshot(post("k", "order")).await.unwrap();
    assert_eq!(second.status(), 409);
    tokio::time::advance(60 * SECOND).await;
    assert!(service.oneshot(post("k", "order")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn s27_a_failure_is_kept_only_if_the_settings_say_so() {
    let runs = Runs::default();
    let keeping = inbound(MemoryStore::default()).keep_when(|_| true).build();
    let service = runs.status(&keeping.unwrap(), 500);
    send(&service, post("k", "order")).await;
    let again = send(&service, post("k", "order")).await;
    assert_eq!((again.status, again.text()), (500, "run 1"));
    assert!(again.is_replay());

    for status in [101_u16, 401, 403, 408, 409, 425, 429, 500, 503] {
        let runs = Runs::default();
        let service = runs.status(&inbound(MemoryStore::default()).build().unwrap(), status);
        let first = send(&service, post("k", "order")).await;
        assert_eq!((first.status, first.text()), (status, "run 1"));
        // It may have done half of its work: nobody repeats that before the lease ends.
        let held = send(&service, post("k", "order")).await;
        assert_eq!(
            (held.status, &*held.problem()),
            (409, "idempotency-key-in-flight")
        );
        tokio::time::advance(60 * SECOND).await;
        assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
    }
    for status in [200_u16, 202, 303, 400, 402, 404, 410, 422] {
        let runs = Runs::default();
        let service = runs.status(&inbound(MemoryStore::default()).build().unwrap(), status);
        send(&service, post("k", "order")).await;
        assert!(
            send(&service, post("k", "order")).await.is_replay(),
            "{status}"
        );
    }
}

#[tokio::test]
async fn s29_a_handler_that_did_nothing_frees_the_key_whatever_it_answers() {
    for status in [500_u16, 201] {
        let (store, runs) = (Flaky::default(), Runs::default());
        let layer = inbound(store.clone()).build().unwrap();
        let service = runs.service(&layer, move |run, request| async move {
            if run == 1 {
                request
                    .extensions()
                    .get::<Execution>()
                    .unwrap()
                    .nothing_done();
                let mut response = created(run)?;
                *response.status_mut() = status.try_into().unwrap();
                return Ok(response);
            }
            created(run)
        });
        let first = send(&service, post("k", "order")).await;
        assert_eq!((first.status, first.text()), (status, "run 1"));
        assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
        let [_, completes, _, releases, _] = store.calls();
        assert_eq!((completes, releases), (1, 1));
    }
}

#[tokio::test]
async fn keys_may_be_free_at_once_after_an_answer_that_is_not_kept() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default()).free_unkept().build();
    let service = runs.status(&layer.unwrap(), 503);
    send(&service, post("k", "order")).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
}

#[tokio::test(start_paused = true)]
async fn s40_a_drain_waits_for_the_handlers_and_starts_no_new_one() {
    let (store, runs) = (MemoryStore::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let service = runs.slow(&layer, 5 * SECOND);
    let mut first = Box::pin(send(&service, post("k", "order")));
    poke(&mut first).await;
    settle().await;
    drop(first);

    let executions = layer.executions().clone();
    let mut drain = Box::pin(executions.drain(30 * SECOND));
    poke(&mut drain).await;
    let refused = send(&service, post("new", "order")).await;
    assert_eq!(
        (refused.status, &*refused.problem()),
        (503, "too-many-executions")
    );
    assert!(refused.has("retry-after"));

    let start = tokio::time::Instant::now();
    assert_eq!(drain.await, 0);
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert!(send(&service, post("k", "order")).await.is_replay());
    // The refused one left no claim behind.
    let other = runs.numbered(&inbound(store).build().unwrap());
    assert_eq!(send(&other, post("new", "order")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn s40_after_the_drains_limit_claims_end_with_their_leases() {
    let (store, runs) = (MemoryStore::default(), Runs::default());
    let runtime = inbound(store.clone()).build().unwrap();
    let service = runs.slow(&runtime, 100 * SECOND);
    let mut first = Box::pin(send(&service, post("k", "order")));
    poke(&mut first).await;
    settle().await;
    assert_eq!(runtime.executions().drain(SECOND).await, 1);
    assert_eq!(runtime.executions().running(), 1);
}

#[tokio::test]
async fn executions_are_bounded_in_all_and_for_each_scope() {
    let two = NonZeroUsize::new(2).unwrap();
    let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .scope(|head| head.headers.get("x-tenant").cloned())
        .orphan_policy(OrphanPolicy::ReExecute)
        .max_executions(two)
        .max_executions_per_scope(NonZeroUsize::MIN)
        .build()
        .unwrap();
    let runs = Runs::default();
    let service = runs.service(&layer, |_, _| std::future::pending());
    let of = |tenant: &'static str, key: &'static str| {
        let mut request = post(key, "order");
        let tenant = http::HeaderValue::from_static(tenant);
        request.headers_mut().insert("x-tenant", tenant);
        request
    };
    let mut running = Vec::new();
    for (tenant, key, fits) in [
        ("a", "1", true),
        ("a", "2", false),
        ("b", "3", true),
        ("c", "4", false),
    ] {
        let mut call = Box::pin(send(&service, of(tenant, key)));
        if fits {
            poke(&mut call).await;
            settle().await;
            running.push(call);
        } else {
            let refused = call.await;
            assert_eq!(refused.status, 503, "{tenant} {key}");
            assert_eq!(refused.headers["retry-after"], "5");
        }
    }
    assert_eq!(layer.executions().running(), 2);
    // Others are still told that theirs is in flight.
    assert_eq!(send(&service, of("a", "1")).await.status, 409);
}

#[tokio::test(start_paused = true)]
async fn the_clients_deadline_is_replaced_by_the_longest_execution() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .max_hold(90 * SECOND)
        .build();
    let now = tokio::time::Instant::now();
    let service = runs.service(&layer.unwrap(), move |run, request| async move {
        let deadline = Deadline::of(request.extensions()).unwrap();
        assert_eq!(deadline.remaining(now), 90 * SECOND);
        created(run)
    });
    let mut request = post("k", "order");
    let soon = Deadline::after(now, SECOND);
    request.extensions_mut().insert(soon);
    assert_eq!(send(&service, request).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_takes_too_long_is_cut_and_its_claim_ends_with_the_lease() {
    let runs = Runs::default();
    let layer = inbound(MemoryStore::default())
        .max_hold(90 * SECOND)
        .build();
    let service = runs.service(&layer.unwrap(), |run, _| async move {
        if run == 1 {
            std::future::pending::<()>().await;
        }
        created(run)
    });
    let start = tokio::time::Instant::now();
    let seen = send(&service, post("k", "order")).await;
    assert_eq!(
        (seen.status, &*seen.problem()),
        (504, "idempotency-execution-cut")
    );
    assert_eq!(start.elapsed(), 90 * SECOND);
    assert_eq!(send(&service, post("k", "order")).await.status, 409);
    tokio::time::advance(60 * SECOND).await;
    assert_eq!(send(&service, post("k", "order")).await.text(), "run 2");
}

/// Ready once for each time that it was asked, and never in a clone.
struct Careful {
    ready: bool,
}

impl Clone for Careful {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl tower::Service<http::Request<buttress_idempotency::Received<Body>>> for Careful {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<crate::kit::Handled>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.ready = true;
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<buttress_idempotency::Received<Body>>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        std::future::ready(created(1))
    }
}

#[tokio::test]
async fn the_instance_that_was_ready_is_the_one_that_is_called() {
    use tower::Service;

    let layer = inbound(MemoryStore::default()).build().unwrap();
    let mut service = layer.layer(Careful { ready: false });
    let unkeyed = || http::Request::post("/").body(Body::default()).unwrap();
    for request in [post("1", ""), unkeyed(), post("2", "")] {
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), 201);
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_shows_in_what_is_logged_of_a_request() {
    let layer = IdempotencyKeyLayer::inbound(MemoryStore::default())
        .single_tenant()
        .orphan_policy(OrphanPolicy::Refuse)
        .reconcile(|unresolved| async move {
            let shown = format!("{unresolved:?}");
            assert!(
                !shown.contains("order") && !shown.contains("\"k\""),
                "{shown}"
            );
            None
        })
        .build()
        .unwrap();
    let runs = Runs::default();
    let service = runs.service(&layer, |_, _| async { panic!("a bug in the handler") });
    send(&service, post("k", "order")).await;
    tokio::time::advance(60 * SECOND).await;
    assert_eq!(send(&service, post("k", "order")).await.status, 409);
    assert_eq!(runs.count(), 1);
}
