//! Behaviour of `TimeoutLayer::head`, poll by poll on a paused clock.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use buttress_classify::{Class, Health, Opinion, Sent, find};
use buttress_timeout::{Elapsed, Phase, TimeoutLayer};
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Service, ServiceExt, service_fn};
use tower_layer::Layer;
use tower_test::{assert_request_eq, mock};

const LIMIT: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_call_fails_at_its_limit_and_not_before() {
    let (mut service, mut server) = mock::spawn_layer::<_, &str, _>(TimeoutLayer::head(LIMIT));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("slow"));
    let _answer = assert_request_eq!(server, "slow");
    assert_pending!(call.poll());

    advance(LIMIT.saturating_sub(TICK)).await;
    assert_pending!(call.poll());

    advance(TICK).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    let elapsed = error.downcast_ref::<Elapsed>().unwrap();
    assert_eq!(elapsed.limit(), LIMIT);
    assert_eq!(elapsed.phase(), Phase::Head);
    assert!(!elapsed.deadline());
    assert_eq!(elapsed.to_string(), "call unfinished after 1s");
}

#[tokio::test(start_paused = true)]
async fn a_response_ready_at_the_limit_wins() {
    let (mut service, mut server) = mock::spawn_layer(TimeoutLayer::head(LIMIT));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("quick"));
    assert_pending!(call.poll());
    assert_request_eq!(server, "quick").send_response("done");

    advance(2 * LIMIT).await;
    assert_eq!(assert_ready_ok!(call.poll()), "done");
}

#[tokio::test(start_paused = true)]
async fn time_before_the_first_wait_does_not_count() {
    let (mut service, mut server) = mock::spawn_layer::<_, &str, _>(TimeoutLayer::head(LIMIT));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("queued"));
    let _answer = assert_request_eq!(server, "queued");

    advance(2 * LIMIT).await;
    assert_pending!(call.poll());
    advance(LIMIT).await;
    assert_ready_err!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn time_spent_waiting_for_readiness_does_not_count() {
    let (mut service, mut server) = mock::spawn_layer::<&str, &str, _>(TimeoutLayer::head(LIMIT));
    server.allow(0);
    assert_pending!(service.poll_ready::<&str>());
    advance(2 * LIMIT).await;
    assert_pending!(service.poll_ready::<&str>());
    server.allow(1);
    assert_ready_ok!(service.poll_ready::<&str>());
}

#[tokio::test(start_paused = true)]
async fn its_own_limit_is_transient_maybe_sent_and_bad() {
    let service =
        TimeoutLayer::head(LIMIT).layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let error = service.oneshot(()).await.unwrap_err();
    let verdict = find::<Opinion>(&*error).unwrap().verdict;
    assert_eq!(verdict.class, Class::Transient);
    assert_eq!(verdict.sent, Sent::Maybe);
    assert_eq!(verdict.health, Health::Bad);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_is_handed_on() {
    let (mut service, mut server) = mock::spawn_layer::<_, &str, _>(TimeoutLayer::head(LIMIT));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("bad"));
    assert_request_eq!(server, "bad").send_error("refused");
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "refused");
}

#[tokio::test(start_paused = true)]
async fn no_limit_is_too_large() {
    for limit in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_nanos(u64::MAX),
        // One that would be a nanosecond if it were cut to 64 bits.
        Duration::from_nanos(u64::MAX) + Duration::from_nanos(2),
    ] {
        let (mut service, mut server) = mock::spawn_layer(TimeoutLayer::head(limit));
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call("patient"));
        assert_pending!(call.poll());
        advance(Duration::from_secs(60 * 60 * 24 * 365)).await;
        assert_pending!(call.poll());
        assert_request_eq!(server, "patient").send_response("done");
        assert_ready_ok!(call.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn no_time_at_all_still_takes_an_answer_that_is_there() {
    let layer = TimeoutLayer::head(Duration::ZERO);
    let ready = layer.layer(service_fn(|()| {
        std::future::ready(Ok::<_, BoxError>("there"))
    }));
    assert_eq!(ready.oneshot(()).await.unwrap(), "there");

    let (mut service, _server) = mock::spawn_layer::<_, &str, _>(layer);
    assert_ready_ok!(service.poll_ready());
    assert_ready_err!(task::spawn(service.call("slow")).poll());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_uses_up_the_tasks_budget_in_every_poll_still_times_out() {
    let service = TimeoutLayer::head(LIMIT).layer(service_fn(async |()| {
        loop {
            tokio::task::consume_budget().await;
        }
        #[allow(unreachable_code, reason = "it names the type")]
        Ok::<(), BoxError>(())
    }));
    let mut call = task::spawn(service.oneshot(()));
    let begun = Instant::now();
    let result = loop {
        match call.poll() {
            Poll::Ready(result) => break result,
            Poll::Pending => {
                assert!(begun.elapsed() < 2 * LIMIT, "it never times out");
                advance(TICK).await;
            }
        }
    };
    assert!(result.unwrap_err().is::<Elapsed>());
    assert_eq!(begun.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_no_timeout() {
    let service = TimeoutLayer::head(LIMIT).layer(service_fn(async |()| {
        tokio::task::yield_now().await;
        assert!(LIMIT.is_zero(), "the call's own fault");
        Ok::<(), BoxError>(())
    }));
    let mut call = task::spawn(service.oneshot(()));
    assert_pending!(call.poll());
    let panic = catch_unwind(AssertUnwindSafe(|| call.poll())).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "the call's own fault");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_drops_the_call_inside() {
    let held = Arc::new(());
    let given = Arc::clone(&held);
    let mut service = TimeoutLayer::head(LIMIT).layer(service_fn(move |()| {
        let held = Arc::clone(&given);
        async move {
            pending::<()>().await;
            drop(held);
            Ok::<_, BoxError>(())
        }
    }));
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    let holders = Arc::strong_count(&held);
    drop(call);
    assert_eq!(Arc::strong_count(&held), holders - 1);
}
