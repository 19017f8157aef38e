//! What becomes of a claim.

use buttress_store::{Begin, Claim, Settled};

use crate::Stage;
use crate::stage::{acquired, is_in_progress, random, response};

/// Whoever begins after a completion is answered, to the byte.
pub async fn a_completed_key_answers_to_the_byte(stage: &Stage) {
    let claim = stage.claim("k").await;
    let answer = response("paid");
    let settled = stage.store().complete(&claim, &answer, stage.retention());
    assert_eq!(settled.await.unwrap(), Settled::Applied);

    for _ in 0..3 {
        let Begin::Completed {
            response,
            expires_in,
        } = stage.found("k").await
        else {
            panic!("not completed");
        };
        assert_eq!(response.encoded(), answer.encoded());
        assert!(expires_in <= stage.retention(), "{expires_in:?}");
        assert!(expires_in > stage.retention() / 2, "{expires_in:?}");
    }
}

/// A completion whose answer was lost is repeated: the first one stays.
pub async fn a_repeated_completion_is_already_applied(stage: &Stage) {
    let store = stage.store();
    let claim = stage.claim("k").await;
    let first = response("first");
    let settled = store.complete(&claim, &first, stage.retention()).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    for body in ["first", "second"] {
        let again = response(body);
        let settled = store.complete(&claim, &again, stage.retention()).await;
        assert_eq!(settled.unwrap(), Settled::AlreadyApplied);
    }
    assert_eq!(stage.answer("k").await, first);

    let renewed = store.renew(&claim, stage.lease()).await;
    assert_eq!(renewed.unwrap(), Settled::AlreadyApplied);
    assert_eq!(store.release(&claim).await.unwrap(), Settled::Lost);
    assert_eq!(stage.answer("k").await, first);
}

/// A foreign token settles nothing, in progress or completed.
pub async fn a_foreign_token_settles_nothing(stage: &Stage) {
    let claim = stage.claim("k").await;
    let thief = Claim::new(*claim.key(), random(), claim.execution());
    settles_nothing(stage, &thief).await;

    let answer = response("mine");
    let settled = stage.store().complete(&claim, &answer, stage.retention());
    assert_eq!(settled.await.unwrap(), Settled::Applied);
    settles_nothing(stage, &thief).await;
    assert_eq!(stage.answer("k").await, answer);
}

/// On an absent key there is nothing to complete or renew, and nothing left to release.
pub async fn an_absent_key_settles_nothing(stage: &Stage) {
    let claim = Claim::new(stage.key("k"), random(), 1);
    let store = stage.store();
    assert_eq!(stage.complete(&claim, "x").await, Settled::Lost);
    let renewed = store.renew(&claim, stage.lease()).await;
    assert_eq!(renewed.unwrap(), Settled::Lost);
    assert_eq!(
        store.release(&claim).await.unwrap(),
        Settled::AlreadyApplied
    );
    assert_eq!(stage.claim("k").await.execution(), 1);
}

/// A released key is free at once, for anything.
pub async fn a_released_key_is_free_at_once(stage: &Stage) {
    let first = stage.claim("k").await;
    assert_eq!(
        stage.store().release(&first).await.unwrap(),
        Settled::Applied
    );
    let other = buttress_store::BeginRequest {
        fingerprint: crate::stage::fingerprint(2),
        ..stage.request("k")
    };
    let second = acquired(stage.begin(other).await);
    assert_ne!(first.token(), second.token());
    assert_eq!(second.execution(), 1);
    settles_nothing(stage, &first).await;
}

/// A worker whose lease ran out can no longer complete: the claim has a new owner.
pub async fn a_zombie_cannot_complete(stage: &Stage) {
    let first = stage.claim("k").await;
    stage.pass(stage.lease()).await;
    let second = stage.claim("k").await;

    assert_eq!(stage.complete(&first, "late").await, Settled::Lost);
    assert!(is_in_progress(&stage.found("k").await));
    assert_eq!(stage.complete(&second, "mine").await, Settled::Applied);
    assert_eq!(stage.complete(&first, "late").await, Settled::Lost);
    assert_eq!(stage.answer("k").await, response("mine"));
}

/// A worker whose lease ran out neither renews nor releases the claim of its successor.
pub async fn a_zombie_neither_renews_nor_releases(stage: &Stage) {
    let first = stage.claim("k").await;
    stage.pass(stage.lease()).await;
    let second = stage.claim("k").await;
    stage.pass_nearly(stage.lease()).await;
    settles_nothing(stage, &first).await;
    assert!(is_in_progress(&stage.found("k").await));

    // The successor's lease ends when it would have.
    stage.pass_the_rest().await;
    let third = stage.claim("k").await;
    assert_eq!(third.execution(), second.execution() + 1);
}

/// An owner past the end of its lease still completes if nobody took over: its token says so.
pub async fn a_late_owner_completes_if_nobody_took_over(stage: &Stage) {
    for request in [stage.request("again"), stage.refusing("strict")] {
        let claim = acquired(stage.begin(request).await);
        stage.pass(stage.lease()).await;
        let answer = response("late but true");
        let settled = stage.store().complete(&claim, &answer, stage.retention());
        assert_eq!(settled.await.unwrap(), Settled::Applied);
        let other = buttress_store::BeginRequest {
            token: random(),
            ..request
        };
        let found = stage.begin(other).await;
        assert!(
            matches!(&found, Begin::Completed { response, .. } if *response == answer),
            "{found:?}"
        );
    }
}

/// An owner past the end of its lease renews it if nobody took over.
pub async fn a_late_owner_renews_if_nobody_took_over(stage: &Stage) {
    let claim = stage.claim("k").await;
    stage.pass(stage.lease()).await;
    let renewed = stage.store().renew(&claim, stage.lease()).await;
    assert_eq!(renewed.unwrap(), Settled::Applied);
    assert!(is_in_progress(&stage.found("k").await));
}

/// A renewed lease outlives its first end.
pub async fn a_renewed_lease_outlives_its_first_end(stage: &Stage) {
    let claim = stage.claim("k").await;
    stage.pass_nearly(stage.lease()).await;
    let renewed = stage.store().renew(&claim, stage.lease()).await;
    assert_eq!(renewed.unwrap(), Settled::Applied);
    stage.pass_the_rest().await;
    assert!(is_in_progress(&stage.found("k").await));
    stage.pass(stage.lease()).await;
    assert_eq!(stage.claim("k").await.execution(), 2);
}

/// Lease and retention are different numbers: an answer outlives every lease.
pub async fn an_answer_is_kept_for_its_retention_and_no_longer(stage: &Stage) {
    let claim = stage.claim("k").await;
    let answer = response("paid");
    let settled = stage.store().complete(&claim, &answer, stage.retention());
    assert_eq!(settled.await.unwrap(), Settled::Applied);

    stage.pass_nearly(stage.retention()).await;
    assert_eq!(stage.answer("k").await, answer);
    stage.pass_the_rest().await;
    assert_eq!(stage.claim("k").await.execution(), 1);
}

/// A claim that nobody settled is remembered for its retention after the lease, then forgotten.
pub async fn an_unsettled_claim_is_forgotten_after_its_retention(stage: &Stage) {
    let _claim = stage.claim("k").await;
    stage.pass_nearly(stage.lease() + stage.retention()).await;
    assert_eq!(stage.claim("k").await.execution(), 2);
    stage.pass_nearly(stage.lease() + stage.retention()).await;
    stage.pass_the_rest().await;
    assert_eq!(stage.claim("k").await.execution(), 1);
}

async fn settles_nothing(stage: &Stage, claim: &Claim) {
    let store = stage.store();
    assert_eq!(stage.complete(claim, "stolen").await, Settled::Lost);
    let renewed = store.renew(claim, stage.lease() * 100).await;
    assert_eq!(renewed.unwrap(), Settled::Lost);
    assert_eq!(store.release(claim).await.unwrap(), Settled::Lost);
}
