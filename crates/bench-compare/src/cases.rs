//! Every case by its name: `what/request`, or `rival::what/request`.

use buttress_key::Profile;
use buttress_retry::RetryLayer;
use buttress_timeout::TimeoutLayer;
use tower::ServiceExt;
use tower_layer::Layer;

use crate::breakers::{CloneEachCall, consecutive, window};
use crate::case::{Case, LIMIT, Never};
use crate::driver::{Res, bare, clone_request, drive, pending_once, r0, r4, replay_body};
use crate::floor_bound::Bounded;
use crate::floor_stack;
use crate::floors::{JudgeResponse, RewrapRequest};
use crate::rivals;
use crate::stack::{key, key_and_clone, layers, r4_owned, r4_unkeyed, stack};
use bench_compare::failure::Failure;

/// All cases.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(rivals::CASES)
}

/// Bare ones, single layers of ours, and tower's.
const CASES: &[Case] = &[
    ("bare/R0", |calls| drive(bare(), r0, calls)),
    ("bare/R4", |calls| drive(bare(), r4, calls)),
    ("bare-pending/R0", |calls| drive(pending_once(), r0, calls)),
    ("floor::rewrap-request/R4", |calls| {
        drive(RewrapRequest(bare()), r4, calls);
    }),
    ("floor::judge-response/R4", |calls| {
        drive(JudgeResponse::new(bare()), r4, calls);
    }),
    ("floor::timeout-pending/R0", |calls| {
        let tower = tower::timeout::TimeoutLayer::new(LIMIT).layer(pending_once());
        let bound = |response: Res| response.map(|body| Bounded::new(body, LIMIT));
        drive(tower.map_response(bound), r0, calls);
    }),
    ("floor::stack/R4-random", |calls| {
        drive(floor_stack::stack(), r4_unkeyed, calls);
    }),
    ("request-clone/R0", |calls| {
        drive(clone_request(), r0, calls);
    }),
    ("request-clone/R4", |calls| {
        drive(clone_request(), r4, calls);
    }),
    ("tower::timeout/R0", |calls| {
        drive(
            tower::timeout::TimeoutLayer::new(LIMIT).layer(bare()),
            r0,
            calls,
        );
    }),
    ("tower::timeout-pending/R0", |calls| {
        drive(
            tower::timeout::TimeoutLayer::new(LIMIT).layer(pending_once()),
            r0,
            calls,
        );
    }),
    ("timeout/R0", |calls| {
        drive(TimeoutLayer::new(LIMIT).layer(bare()), r0, calls);
    }),
    ("timeout-head/R0", |calls| {
        drive(TimeoutLayer::head(LIMIT).layer(bare()), r0, calls);
    }),
    ("timeout-pending/R0", |calls| {
        drive(TimeoutLayer::new(LIMIT).layer(pending_once()), r0, calls);
    }),
    ("tower::retry/R0", |calls| {
        drive(
            tower::retry::RetryLayer::new(Never).layer(bare()),
            r0,
            calls,
        );
    }),
    ("tower::retry/R4", |calls| {
        drive(
            tower::retry::RetryLayer::new(Never).layer(bare()),
            r4,
            calls,
        );
    }),
    ("retry/R0", |calls| {
        drive(RetryLayer::new().layer(bare()), r0, calls);
    }),
    ("retry-keyed/R4", |calls| {
        drive(
            RetryLayer::new()
                .profile(Profile::stripe_v1())
                .layer(bare()),
            r4,
            calls,
        );
    }),
    ("retry-not-replayable/R4", |calls| {
        drive(RetryLayer::new().replay_cap(0).layer(bare()), r4, calls);
    }),
    ("breaker-consecutive/R0", |calls| {
        drive(consecutive().layer(bare()), r0, calls);
    }),
    ("breaker-window/R0", |calls| {
        drive(window().layer(bare()), r0, calls);
    }),
    // A window that holds many calls already.
    ("breaker-window-filled/R0", |calls| {
        let service = window().layer(bare());
        drive(service.clone(), r0, 100_000);
        drive(service, r0, calls);
    }),
    ("breaker-window-cloned/R0", |calls| {
        drive(CloneEachCall(window().layer(bare())), r0, calls);
    }),
    ("clone-each-call/R0", |calls| {
        drive(CloneEachCall(bare()), r0, calls);
    }),
    ("replay-body/R4", |calls| {
        drive(replay_body(), r4, calls);
    }),
    ("key-and-clone/R4-random", |calls| {
        drive(key_and_clone(), r4_unkeyed, calls);
    }),
    ("stack/R4-random", |calls| {
        drive(stack(), r4_unkeyed, calls);
    }),
    ("key-and-clone/R4-owned", |calls| {
        drive(key_and_clone(), r4_owned, calls);
    }),
    ("stack/R4-owned", |calls| {
        drive(stack(), r4_owned, calls);
    }),
    ("stack/R4", |calls| {
        drive(layers(key().accept_header()).layer(bare()), r4, calls);
    }),
    ("retry-breaker-timeout/R4", |calls| {
        let (_, _, retry, breaker, attempt) = layers(key());
        drive((retry, breaker, attempt).layer(bare()), r4, calls);
    }),
];

/// Runs one case.
pub(crate) fn run(name: &str, calls: usize) -> Result<(), Failure> {
    named(name)?(calls);
    Ok(())
}

/// What a name stands for.
pub(crate) fn named(name: &str) -> Result<fn(usize), Failure> {
    match all().find(|(known, _)| *known == name) {
        Some((_, run)) => Ok(*run),
        None => Err(format!("there is no case {name}").into()),
    }
}
