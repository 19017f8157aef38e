//! What a begin finds.

use buttress_store::{Begin, BeginRequest, Resolution, Settled};

use crate::Stage;
use crate::stage::{acquired, fingerprint, is_in_progress, response};

/// The first begin of an absent key owns it; the next is told how long the lease still lives.
pub async fn an_absent_key_is_acquired_once(stage: &Stage) {
    let request = stage.request("k");
    let claim = acquired(stage.begin(request).await);
    assert_eq!(claim.execution(), 1);
    assert_eq!(claim.key(), &request.key);
    assert_eq!(claim.token(), &request.token);

    let Begin::InProgress { retry_after } = stage.found("k").await else {
        panic!("acquired twice");
    };
    assert!(retry_after <= stage.lease(), "{retry_after:?}");
    assert!(retry_after > stage.lease() / 2, "{retry_after:?}");
    assert_eq!(stage.claim("another").await.execution(), 1);
}

/// A begin whose answer was lost is repeated, and finds its own claim.
pub async fn a_begin_repeated_by_its_token_is_acquired_again(stage: &Stage) {
    let request = stage.request("k");
    let claim = acquired(stage.begin(request).await);
    assert_eq!(acquired(stage.begin(request).await), claim);
    assert!(is_in_progress(&stage.found("k").await));

    let answer = response("once");
    let settled = stage.store().complete(&claim, &answer, stage.retention());
    assert_eq!(settled.await.unwrap(), Settled::Applied);
    let found = stage.begin(request).await;
    assert!(matches!(found, Begin::Completed { .. }), "{found:?}");
}

/// A repeated begin renews its lease, and does so past the lease's end under either policy.
pub async fn a_begin_repeated_by_its_token_renews_its_lease(stage: &Stage) {
    for request in [stage.request("again"), stage.refusing("strict")] {
        let claim = acquired(stage.begin(request).await);
        stage.pass(stage.lease()).await;
        assert_eq!(acquired(stage.begin(request).await), claim);
        let other = BeginRequest {
            token: crate::stage::random(),
            ..request
        };
        assert!(is_in_progress(&stage.begin(other).await));
    }
}

/// A lease lives up to its end and not beyond.
pub async fn a_lease_lives_up_to_its_end(stage: &Stage) {
    let _claim = stage.claim("k").await;
    stage.pass_nearly(stage.lease()).await;
    assert!(is_in_progress(&stage.found("k").await));
    stage.pass_the_rest().await;
    assert_eq!(stage.claim("k").await.execution(), 2);
}

/// Each takeover of an ended lease is the next execution, and an owner like the first.
pub async fn an_ended_lease_is_taken_over_as_the_next_execution(stage: &Stage) {
    for execution in 1..=4 {
        let claim = stage.claim("k").await;
        assert_eq!(claim.execution(), execution);
        assert!(is_in_progress(&stage.found("k").await));
        stage.pass(stage.lease()).await;
    }
}

/// Another fingerprint is a mismatch in every state, and changes nothing.
pub async fn another_fingerprint_is_a_mismatch_in_every_state(stage: &Stage) {
    let other = |request: BeginRequest| BeginRequest {
        fingerprint: fingerprint(2),
        ..request
    };
    let foreign = other(stage.request("k"));

    let first = stage.claim("k").await;
    assert_eq!(stage.begin(foreign).await, Begin::Mismatch);

    // An ended lease is not taken over for something else.
    stage.pass(stage.lease()).await;
    assert_eq!(stage.begin(foreign).await, Begin::Mismatch);
    let second = stage.claim("k").await;
    assert_eq!(second.execution(), 2);

    let store = stage.store();
    let answer = response("mine");
    let late = store.complete(&first, &answer, stage.retention()).await;
    assert_eq!(late.unwrap(), Settled::Lost);
    let settled = store.complete(&second, &answer, stage.retention()).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    assert_eq!(stage.begin(foreign).await, Begin::Mismatch);
    assert_eq!(stage.answer("k").await, answer);

    // Nor is an unknown outcome told to somebody who asks for something else.
    let lost = acquired(stage.begin(stage.refusing("unknown")).await);
    stage.pass(stage.lease()).await;
    let foreign = other(stage.refusing("unknown"));
    assert_eq!(stage.begin(foreign).await, Begin::Mismatch);
    let adopted = store.adopt(lost.key(), &Resolution::NotExecuted).await;
    assert_eq!(adopted.unwrap(), Settled::Applied);
    assert_eq!(acquired(stage.begin(foreign).await).execution(), 1);
}

/// Two fingerprints that differ in one bit differ, wherever the bit is.
pub async fn every_bit_of_a_fingerprint_counts(stage: &Stage) {
    let request = stage.request("k");
    let _claim = acquired(stage.begin(request).await);
    for bit in 8..8 * request.fingerprint.as_bytes().len() {
        let mut bytes = *request.fingerprint.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let fingerprint = buttress_store::Fingerprint::from_bytes(bytes);
        let other = BeginRequest {
            fingerprint,
            ..stage.request("k")
        };
        assert_eq!(stage.begin(other).await, Begin::Mismatch, "bit {bit}");
    }
}

/// Fingerprints of different versions say nothing about each other: an error, never a guess.
pub async fn a_fingerprint_of_another_version_is_an_error(stage: &Stage) {
    let claim = stage.claim("k").await;
    let mut bytes = *fingerprint(1).as_bytes();
    bytes[0] = 2;
    let newer = BeginRequest {
        fingerprint: buttress_store::Fingerprint::from_bytes(bytes),
        ..stage.request("k")
    };
    let error = stage.store().begin(newer).await.unwrap_err();
    assert_eq!(error.kind(), buttress_store::StoreErrorKind::Unsupported);

    let settled = stage.store().renew(&claim, stage.lease()).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
}
