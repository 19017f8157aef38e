//! When a call is repeated, and when not.

use std::num::NonZeroU32;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_classify::{HttpClassifier, HttpOutcome, Sent, Verdict, find, http as by_head};
use buttress_deadline::Deadline;
use buttress_key::Profile;
use buttress_retry::{Exhausted, Outcome, Reason, RetryLayer};
use http::Method;
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceExt};

use crate::peer::{
    Answer, Body, Failure, Peer, code, get, keyed, open, post, refused, request, reset, send,
    status, story, successes_alone,
};

const SECOND: Duration = Duration::from_secs(1);

fn exact() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::exponential(SECOND).jitter(Jitter::None))
}

fn attempts(attempts: u32) -> NonZeroU32 {
    NonZeroU32::new(attempts).unwrap()
}

/// How many calls reach a peer that follows `script`, and why the last was the last.
async fn outcome_of(
    layer: &RetryLayer,
    request: http::Request<Body>,
    script: impl IntoIterator<Item = Answer>,
) -> (usize, Option<Reason>) {
    let peer = Peer::new(script);
    let answered = send(layer, &peer, request).await;
    (peer.calls(), story(&answered).map(|story| story.stopped))
}

#[tokio::test(start_paused = true)]
async fn a_get_is_repeated_on_schedule_until_it_works() {
    let peer = Peer::new([status(503), status(500)]);
    let answered = send(&exact(), &peer, get()).await;

    assert_eq!(code(&answered), 200);
    assert_eq!(peer.waits(), [SECOND, SECOND * 2]);
    let story = story(&answered).unwrap();
    assert_eq!(story.count.get(), 3);
    assert_eq!(story.waited, SECOND * 3);
    assert_eq!(story.stopped, Reason::Success);
    assert_eq!(story.outcome, Outcome::Definite);
}

#[tokio::test(start_paused = true)]
async fn there_are_three_attempts_in_all_and_the_last_response_is_returned() {
    let peer = Peer::new([status(503), status(502), status(504)]);
    let answered = send(&exact(), &peer, get()).await;

    assert_eq!(code(&answered), 504);
    assert_eq!(peer.calls(), 3);
    assert_eq!(story(&answered).unwrap().stopped, Reason::Attempts);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_sends_the_whole_body_and_resends_alone_are_numbered() {
    let peer = Peer::new([status(503), status(503)]);
    send(&exact(), &peer, request(Method::PUT)).await.unwrap();

    let seen = peer.seen();
    assert!(seen.iter().all(|seen| seen.body == "question"));
    let numbers: Vec<_> = seen.iter().map(|seen| seen.attempt).collect();
    assert_eq!(numbers, [None, Some(2), Some(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_single_attempt_that_needed_no_retry_tells_no_story() {
    for answer in [status(200), status(404), status(501)] {
        let peer = Peer::new([answer]);
        let answered = send(&exact(), &peer, get()).await;
        assert_eq!(story(&answered), None);
        assert_eq!(peer.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn methods_that_are_not_idempotent_are_not_repeated() {
    for (method, calls) in [
        (Method::GET, 3),
        (Method::HEAD, 3),
        (Method::OPTIONS, 3),
        (Method::PUT, 3),
        (Method::DELETE, 3),
        (Method::TRACE, 3),
        (Method::POST, 1),
        (Method::PATCH, 1),
        (Method::CONNECT, 1),
    ] {
        let peer = Peer::new([status(503), status(503), status(503)]);
        let answered = send(&exact(), &peer, request(method.clone())).await;
        assert_eq!(peer.calls(), calls, "{method}");
        let expected = if calls == 1 {
            Reason::Unsafe
        } else {
            Reason::Attempts
        };
        assert_eq!(story(&answered).unwrap().stopped, expected, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_failed_without_a_response_is_not_repeated() {
    let peer = Peer::new([reset()]);
    let error = send(&exact(), &peer, post()).await.unwrap_err();

    assert_eq!(peer.calls(), 1);
    assert!(
        error.downcast_ref::<Failure>().is_some(),
        "untouched: {error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_post_is_repeated_while_it_provably_was_not_sent() {
    let unsent = outcome_of(&exact(), post(), [refused(), status(421)]).await;
    assert_eq!(unsent, (3, Some(Reason::Success)));

    let sent_at_last = outcome_of(&exact(), post(), [refused(), reset()]).await;
    assert_eq!(sent_at_last, (2, Some(Reason::Unsafe)));
}

#[tokio::test(start_paused = true)]
async fn a_key_header_alone_unlocks_nothing() {
    let once = outcome_of(&exact(), keyed(), [status(503)]).await;
    assert_eq!(once, (1, Some(Reason::Unsafe)));
}

#[tokio::test(start_paused = true)]
async fn a_declared_profile_unlocks_what_carries_its_key_on_a_covered_method() {
    let layer = exact().profile(Profile::stripe_v1());
    let script = || [status(503), reset()];
    assert_eq!(outcome_of(&layer, keyed(), script()).await.0, 3);
    assert_eq!(outcome_of(&layer, post(), script()).await.0, 1);

    let mut patch = keyed();
    *patch.method_mut() = Method::PATCH;
    assert_eq!(outcome_of(&layer, patch, script()).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_provider_of_successes_alone_is_not_asked_again_after_a_5xx() {
    let layer = exact().profile(successes_alone());
    let after = async |answer| outcome_of(&layer, keyed(), [answer]).await;
    assert_eq!(after(status(500)).await, (1, Some(Reason::Unsafe)));
    assert_eq!(after(status(503)).await, (1, Some(Reason::Unsafe)));
    assert_eq!(after(status(429)).await, (2, Some(Reason::Success)));
    assert_eq!(after(reset()).await, (2, Some(Reason::Success)));

    // Safe by its method, it needs no key.
    let covered = exact()
        .profile(successes_alone())
        .safe_when(|head| head.method == Method::POST);
    assert_eq!(outcome_of(&covered, keyed(), [status(500)]).await.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_may_grow_from_the_wait_before() {
    let layer = RetryLayer::new()
        .backoff(Backoff::exponential(SECOND).jitter(Jitter::Decorrelated))
        .random(|| 1 << 63);
    let peer = Peer::new([status(503), status(503)]);
    send(&layer, &peer, get()).await.unwrap();
    assert_eq!(peer.waits(), [SECOND * 2, Duration::from_millis(3500)]);
}

#[tokio::test(start_paused = true)]
async fn the_user_may_know_better() {
    let layer = exact().safe_when(|head| head.headers.contains_key("x-search"));
    let mut search = post();
    search
        .headers_mut()
        .insert("x-search", "1".parse().unwrap());
    assert_eq!(outcome_of(&layer, search, [status(503)]).await.0, 2);
    assert_eq!(outcome_of(&layer, post(), [status(503)]).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn the_server_may_forbid_or_ask_for_a_retry() {
    let header = |code, value| status(code).with("stripe-should-retry", value);
    let times = |answer: Answer| std::iter::repeat_n(answer, 9);
    for (answer, calls, reason) in [
        (status(400), 1, None),
        (header(400, "true"), 3, Some(Reason::Attempts)),
        (status(500), 3, Some(Reason::Attempts)),
        (header(500, "false"), 1, Some(Reason::Vetoed)),
    ] {
        let seen = outcome_of(&exact(), get(), times(answer.clone())).await;
        assert_eq!(seen, (calls, reason), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_not_asked_again() {
    let peer = Peer::new([open()]);
    let error = send(&exact(), &peer, get()).await.unwrap_err();
    assert_eq!(peer.calls(), 1);
    assert!(error.downcast_ref::<Failure>().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_understands_is_not_repeated() {
    let layer = exact().classify(by_head(|_| None));
    let peer = Peer::new([status(503)]);
    send(&layer, &peer, get()).await.unwrap();
    assert_eq!(peer.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_users_classifier_goes_before_the_default() {
    let layer = exact().classify((
        by_head(|outcome| match outcome {
            HttpOutcome::Head(status, _) if status == 418 => Some(Verdict::transient("teapot")),
            _ => None,
        }),
        HttpClassifier,
    ));
    let peer = Peer::new([status(418), status(503)]);
    send(&layer, &peer, get()).await.unwrap();
    assert_eq!(peer.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_in_all_is_no_retry() {
    let layer = exact().attempts(attempts(1));
    let once = outcome_of(&layer, get(), [status(503)]).await;
    assert_eq!(once, (1, Some(Reason::Attempts)));
}

#[tokio::test(start_paused = true)]
async fn the_last_error_comes_in_its_story() {
    let peer = Peer::new([status(503), refused(), reset()]);
    let error = send(&exact(), &peer, get()).await.unwrap_err();

    let exhausted = error.downcast_ref::<Exhausted>().unwrap();
    assert_eq!(exhausted.attempts().count.get(), 3);
    assert_eq!(exhausted.attempts().sent, Sent::Maybe);
    assert_eq!(exhausted.to_string(), "gave up after 3 attempts (attempts)");
    assert!(find::<Failure>(&*error).is_some());
    let last = error.downcast::<Exhausted>().unwrap().into_last();
    assert!(last.downcast_ref::<Failure>().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_backoff_must_end_before_the_requests_deadline() {
    let until = |left| {
        let mut request = get();
        let deadline = Deadline::after(Instant::now(), left);
        request.extensions_mut().insert(deadline);
        request
    };
    let script = || [status(503), status(503)];
    // The waits would be 1 s and 2 s.
    for (left, calls) in [(1000, 1), (1001, 2), (3000, 2), (3001, 3)] {
        let request = until(Duration::from_millis(left));
        let start = Instant::now();
        let seen = outcome_of(&exact(), request, script()).await;
        assert_eq!(seen.0, calls, "{left} ms");
        assert_eq!(seen.1 == Some(Reason::Deadline), calls < 3, "{left} ms");
        assert!(start.elapsed() < Duration::from_millis(left));
    }
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_both_deadlines_counts() {
    let script = || [status(503), status(503)];
    let short = exact().within(Duration::from_millis(1500));
    let seen = outcome_of(&short, get(), script()).await;
    assert_eq!(seen, (2, Some(Reason::Deadline)));

    let long = exact().within(SECOND * 60);
    let mut request = get();
    let deadline = Deadline::after(Instant::now(), SECOND);
    request.extensions_mut().insert(deadline);
    let seen = outcome_of(&long, request, script()).await;
    assert_eq!(seen, (1, Some(Reason::Deadline)));
}

#[tokio::test(start_paused = true)]
async fn the_layers_limit_runs_from_the_call_and_not_from_its_first_poll() {
    let peer = Peer::new([status(503)]);
    let mut service = exact().within(SECOND * 5).layer(peer.clone());
    let ready = ServiceExt::<http::Request<Body>>::ready(&mut service);
    let call = ready.await.unwrap().call(get());
    advance(SECOND * 4).await;
    let answered = call.await;
    assert_eq!(story(&answered).unwrap().stopped, Reason::Deadline);
    assert_eq!(peer.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_in_flight_is_asked_about_again_and_costs_no_budget() {
    let layer = exact()
        .profile(Profile::stripe_v1())
        .budget(buttress_retry::Budget::new(0, 0));
    let seen = outcome_of(&layer, keyed(), [status(409)]).await;
    assert_eq!(seen, (2, Some(Reason::Success)));

    let seen = outcome_of(&layer, keyed(), [status(503)]).await;
    assert_eq!(seen, (1, Some(Reason::Budget)));
}

#[tokio::test(start_paused = true)]
async fn the_profile_judges_only_requests_that_carry_its_key() {
    let layer = exact().profile(Profile::stripe_v1());
    assert_eq!(outcome_of(&layer, get(), [status(409)]).await, (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_replayed_failure_is_final() {
    let layer = exact().profile(Profile::stripe_v1());
    let replayed = || status(500).with("idempotent-replayed", "true");
    assert_eq!(outcome_of(&layer, keyed(), [replayed()]).await, (1, None));
    let seen = outcome_of(&layer, keyed(), [reset(), replayed()]).await;
    assert_eq!(seen, (2, Some(Reason::Permanent)));
}
