//! What is known about an operation's effect when it has ended.

use std::time::Duration;

use buttress_backoff::Backoff;
use buttress_classify::{Sent, Verdict};
use buttress_key::{Profile, Stores};
use buttress_retry::{Attempts, Outcome, RetryLayer};
use http::{Method, StatusCode};

use crate::peer::{
    Answer, Peer, get, keyed, open, refused, request, reset, send, status, story, successes_alone,
};

async fn told<const N: usize>(profile: bool, script: [Answer; N]) -> Attempts {
    let layer = RetryLayer::new().backoff(Backoff::constant(Duration::ZERO));
    let (layer, request) = if profile {
        (layer.profile(Profile::stripe_v1()), keyed())
    } else {
        (layer, request(Method::PUT))
    };
    let peer = Peer::new(script);
    story(&send(&layer, &peer, request).await).unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_was_executed_while_no_attempt_was_sent() {
    for script in [
        [refused(), refused(), refused()],
        [refused(), status(421), open()],
    ] {
        let told = told(false, script).await;
        assert_eq!(told.outcome, Outcome::NotExecuted);
        assert_eq!(told.sent, Sent::No);
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_certifies_that_nothing_was_executed() {
    let told = told(true, [refused(), status(401)]).await;
    assert_eq!(told.outcome, Outcome::NotExecuted);
}

#[tokio::test(start_paused = true)]
async fn a_success_is_definite_whatever_came_before() {
    let told = told(false, [reset(), status(503), status(200)]).await;
    assert_eq!(told.outcome, Outcome::Definite);
    assert_eq!(told.sent, Sent::Maybe);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_definite_if_no_earlier_attempt_was_sent() {
    let told = told(false, [refused(), refused(), status(404)]).await;
    assert_eq!(told.outcome, Outcome::Definite);
}

#[tokio::test(start_paused = true)]
async fn after_an_attempt_that_may_have_been_sent_later_refusals_say_nothing_of_it() {
    for last in [
        refused(),
        open(),
        status(401),
        status(402),
        status(404),
        status(429),
        status(503),
        reset(),
    ] {
        for profile in [false, true] {
            if profile && matches!(&last, Answer::Response(status, _) if *status == 402) {
                continue;
            }
            let told = told(profile, [reset(), reset(), last.clone()]).await;
            assert_eq!(told.outcome, Outcome::Unknown, "{last:?} {profile}");
            assert_eq!(told.sent, Sent::Maybe);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_profile_keeps_speaks_for_all_attempts_under_the_key() {
    let declined = told(true, [reset(), status(402)]).await;
    assert_eq!(declined.outcome, Outcome::Definite);

    let replayed = status(404).with("idempotent-replayed", "true");
    let replayed = told(true, [reset(), replayed]).await;
    assert_eq!(replayed.outcome, Outcome::Definite);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_speaks_for_its_own_attempt_alone() {
    let certain = Profile::custom(
        "certain",
        http::HeaderName::from_static("idempotency-key"),
        Stores::Executed,
        Duration::from_secs(3600),
    )
    .unexecuted([StatusCode::UNPROCESSABLE_ENTITY])
    .build()
    .unwrap();
    let layer = RetryLayer::new().profile(certain);
    let outcome = async |script: [Answer; 2]| {
        let answered = send(&layer, &Peer::new(script), keyed()).await;
        story(&answered).unwrap().outcome
    };
    assert_eq!(
        outcome([refused(), status(422)]).await,
        Outcome::NotExecuted
    );
    assert_eq!(outcome([reset(), status(422)]).await, Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_of_successes_alone_refuses_is_not_kept() {
    let layer = RetryLayer::new().profile(successes_alone());
    let answered = send(&layer, &Peer::new([reset(), status(402)]), keyed()).await;
    assert_eq!(story(&answered).unwrap().outcome, Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_a_key_in_flight_and_a_replayed_5xx_leave_it_unknown() {
    let replayed = || status(500).with("idempotent-replayed", "true");
    for (script, what) in [
        (vec![reset(), status(400)], "mismatch"),
        (vec![reset(), status(409), status(409)], "in flight"),
        (vec![reset(), replayed()], "replayed after an attempt"),
        (
            vec![refused(), replayed()],
            "replayed of an earlier operation",
        ),
    ] {
        let layer = RetryLayer::new().profile(Profile::stripe_v1());
        let answered = send(&layer, &Peer::new(script), keyed()).await;
        assert_eq!(
            story(&answered).unwrap().outcome,
            Outcome::Unknown,
            "{what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_will_not_change_tells_nothing_either() {
    let told = told(
        false,
        [refused(), Answer::Error(Verdict::permanent("parse"))],
    )
    .await;
    assert_eq!(told.outcome, Outcome::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_veto_does_not_make_a_failure_definite() {
    let layer = RetryLayer::new();
    let vetoed = status(500).with("stripe-should-retry", "false");
    let answered = send(&layer, &Peer::new([vetoed]), get()).await;
    assert_eq!(story(&answered).unwrap().outcome, Outcome::Unknown);
}
