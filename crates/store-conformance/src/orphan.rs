//! Executions that ended nobody knows how.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use buttress_store::{Begin, Claim, OrphanPolicy, RecordKey, Resolution, Settled, Unknown};

use crate::Stage;
use crate::stage::{acquired, is_in_progress, response};

/// Under `Refuse` an ended lease is unknown, and nobody executes.
pub async fn a_refused_orphan_is_unknown_and_never_acquired(stage: &Stage) {
    let _lost = acquired(stage.begin(stage.refusing("k")).await);
    stage.pass_nearly(stage.lease()).await;
    assert!(is_in_progress(&stage.begin(stage.refusing("k")).await));
    stage.pass_the_rest().await;
    for _ in 0..3 {
        let found = stage.begin(stage.refusing("k")).await;
        assert_eq!(found, Begin::OutcomeUnknown);
    }
    // Nor if the route has become lenient since.
    assert_eq!(stage.found("k").await, Begin::OutcomeUnknown);
}

/// A begin that refuses finds an orphan unknown that was begun under `ReExecute`.
pub async fn the_stricter_policy_wins(stage: &Stage) {
    let _claim = stage.claim("k").await;
    stage.pass(stage.lease()).await;
    let found = stage.begin(stage.refusing("k")).await;
    assert_eq!(found, Begin::OutcomeUnknown);
    assert_eq!(stage.found("k").await, Begin::OutcomeUnknown);
}

/// Neither time nor purging ends an unknown.
pub async fn an_unknown_never_expires(stage: &Stage) {
    let lost = lose(stage, "k").await;
    stage.pass(stage.retention() * 2).await;
    while stage.store().purge(many()).await.unwrap() == many().get() {}
    assert_eq!(stage.found("k").await, Begin::OutcomeUnknown);
    assert!(unknowns(stage).await.contains(lost.key()));
}

/// An unknown that was executed is adopted with its answer.
pub async fn an_unknown_is_adopted_as_completed(stage: &Stage) {
    let lost = lose(stage, "k").await;
    let store = stage.store();
    let resolution = completed(stage, "found at the provider");
    let adopted = store.adopt(lost.key(), &resolution).await;
    assert_eq!(adopted.unwrap(), Settled::Applied);
    assert_eq!(stage.answer("k").await, response("found at the provider"));
    assert!(!unknowns(stage).await.contains(lost.key()));

    // Whoever came first stays, and the lost owner learns that it is one.
    let other = completed(stage, "found elsewhere");
    let adopted = store.adopt(lost.key(), &other).await;
    assert_eq!(adopted.unwrap(), Settled::AlreadyApplied);
    let adopted = store.adopt(lost.key(), &Resolution::NotExecuted).await;
    assert_eq!(adopted.unwrap(), Settled::Lost);
    assert_eq!(stage.complete(&lost, "late").await, Settled::Lost);
    assert_eq!(stage.answer("k").await, response("found at the provider"));

    stage.pass(stage.retention()).await;
    assert_eq!(stage.claim("k").await.execution(), 1);
}

/// An unknown that was not executed is free again, and its lost owner is out.
pub async fn an_unknown_is_adopted_as_not_executed(stage: &Stage) {
    let lost = lose(stage, "k").await;
    let store = stage.store();
    for expected in [Settled::Applied, Settled::AlreadyApplied] {
        let adopted = store.adopt(lost.key(), &Resolution::NotExecuted).await;
        assert_eq!(adopted.unwrap(), expected);
    }
    assert_eq!(stage.complete(&lost, "late").await, Settled::Lost);
    let _claim = stage.claim("k").await;
}

/// A claim whose lease lives, an absent key and an answer are not up for adoption.
pub async fn only_what_was_lost_is_adopted(stage: &Stage) {
    let store = stage.store();
    let resolutions = [completed(stage, "guess"), Resolution::NotExecuted];

    let claim = acquired(stage.begin(stage.refusing("k")).await);
    for resolution in &resolutions {
        let adopted = store.adopt(claim.key(), resolution).await;
        assert_eq!(adopted.unwrap(), Settled::Lost);
    }
    assert!(is_in_progress(&stage.found("k").await));
    assert_eq!(stage.complete(&claim, "true").await, Settled::Applied);
    let adopted = store.adopt(claim.key(), &resolutions[1]).await;
    assert_eq!(adopted.unwrap(), Settled::Lost);
    assert_eq!(stage.answer("k").await, response("true"));

    let absent = stage.key("absent");
    let adopted = store.adopt(&absent, &resolutions[0]).await;
    assert_eq!(adopted.unwrap(), Settled::Lost);
    let _claim = stage.claim("absent").await;
}

/// The unknowns, and nothing but them, are listed once each, page by page, in the order of keys.
pub async fn unknowns_are_listed_page_by_page(stage: &Stage) {
    let mut lost = BTreeSet::new();
    for name in 0..7 {
        let claim = acquired(stage.begin(stage.refusing(&format!("lost {name}"))).await);
        lost.insert(*claim.key());
    }
    let _claim = stage.claim("lenient").await;
    stage.pass(stage.lease()).await;
    let _live = acquired(stage.begin(stage.refusing("live")).await);
    let found = stage.begin(stage.refusing("lost 3")).await;
    assert_eq!(found, Begin::OutcomeUnknown);

    let ours: BTreeSet<_> = unknowns(stage).await;
    assert!(lost.is_subset(&ours));
    for name in ["lenient", "live"] {
        assert!(!ours.contains(&stage.key(name)), "{name}");
    }

    // Pages of two, from just before ours on; others may have unknowns in the same store.
    let mut seen: Vec<RecordKey> = Vec::new();
    let page = NonZeroUsize::MIN.saturating_add(1);
    loop {
        let found = stage.store().unknowns(seen.last(), page).await.unwrap();
        assert!(found.len() <= page.get());
        seen.extend(found.iter().map(Unknown::key));
        assert!(found.iter().all(|unknown| unknown.execution() >= 1));
        if found.len() < page.get() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|a, b| a < b));
    assert_eq!(seen.iter().filter(|key| lost.contains(key)).count(), 7);
}

async fn lose(stage: &Stage, name: &str) -> Claim {
    let request = stage.refusing(name);
    assert_eq!(request.orphan, OrphanPolicy::Refuse);
    let claim = acquired(stage.begin(request).await);
    stage.pass(stage.lease()).await;
    let found = stage.begin(stage.refusing(name)).await;
    assert_eq!(found, Begin::OutcomeUnknown);
    claim
}

async fn unknowns(stage: &Stage) -> BTreeSet<RecordKey> {
    let found = stage.store().unknowns(None, many()).await.unwrap();
    found.iter().map(|unknown| *unknown.key()).collect()
}

fn completed(stage: &Stage, body: &str) -> Resolution {
    Resolution::Completed {
        response: response(body),
        retention: stage.retention(),
    }
}

const fn many() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(9_999)
}
