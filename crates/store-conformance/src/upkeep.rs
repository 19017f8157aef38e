//! Waiting and purging.

use std::num::NonZeroUsize;
use std::time::Duration;

use buttress_store::{Resolution, Settled, StoredResponse};
use tokio::time::{Instant, timeout};

use crate::Stage;
use crate::stage::{acquired, is_in_progress, response};

/// Nothing in progress is nothing to wait for: a settlement is never slept through.
pub async fn a_wait_for_nothing_returns_at_once(stage: &Stage) {
    let answered = stage.claim("answered").await;
    complete(stage, &answered).await;
    let released = stage.claim("released").await;
    let settled = stage.store().release(&released).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let _claim = stage.claim("ended").await;
    stage.pass(stage.lease()).await;
    for name in ["absent", "answered", "released", "ended"] {
        let before = Instant::now();
        stage
            .store()
            .wait(&stage.key(name), FOR_EVER)
            .await
            .unwrap();
        assert!(before.elapsed() < stage.lease() / 2, "{name}");
    }
}

/// A wait ends at its limit at the latest, and changes nothing.
pub async fn a_wait_ends_at_its_limit(stage: &Stage) {
    let claim = stage.claim("k").await;
    let limit = stage.lease() / 2;
    let before = Instant::now();
    stage.store().wait(claim.key(), limit).await.unwrap();
    assert!(before.elapsed() < stage.lease());
    assert!(is_in_progress(&stage.found("k").await));
}

/// Those who wait return when the claim is settled, long before their limit where the store wakes.
pub async fn those_who_wait_return_when_the_claim_is_settled(stage: &Stage) {
    for end in ["completed", "released"] {
        let claim = stage.claim(end).await;
        let before = Instant::now();
        let wait = || stage.store().wait(claim.key(), stage.lease() / 2);
        let settle = async {
            // Let the waits begin.
            tokio::time::sleep(stage.lease() / 20).await;
            if end == "completed" {
                complete(stage, &claim).await;
            } else {
                let settled = stage.store().release(&claim).await;
                assert_eq!(settled.unwrap(), Settled::Applied);
            }
            Instant::now()
        };
        let (one, two, settled) = tokio::join!(
            async { wait().await.map(|()| Instant::now()) },
            async { wait().await.map(|()| Instant::now()) },
            settle,
        );
        for woken in [one.unwrap(), two.unwrap()] {
            if stage.store().capabilities().wakes {
                let late = woken.saturating_duration_since(settled);
                assert!(late < stage.lease() / 5, "woken {late:?} late");
            }
            assert!(woken - before < stage.lease());
        }
    }
}

/// The end of a lease ends a wait, for somebody may take over.
pub async fn the_end_of_a_lease_ends_a_wait(stage: &Stage) {
    let claim = stage.claim("k").await;
    let before = Instant::now();
    let waited = timeout(FOR_EVER, stage.store().wait(claim.key(), stage.lease() * 3)).await;
    waited.unwrap().unwrap();
    let woken = before.elapsed();
    if stage.store().capabilities().wakes {
        assert!(woken < stage.lease() * 2, "{woken:?}");
    }
    stage.pass(stage.lease().saturating_sub(woken)).await;
    assert_eq!(stage.claim("k").await.execution(), 2);
}

/// Of those who wait for a claim that is released, exactly one owns the next.
pub async fn one_of_those_who_wait_becomes_the_owner(stage: &Stage) {
    let claim = stage.claim("k").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, request) = (stage.shared(), stage.request("k"));
        let limit = stage.lease() / 2;
        tasks.spawn(async move {
            store.wait(&request.key, limit).await.unwrap();
            matches!(
                store.begin(request).await.unwrap(),
                buttress_store::Begin::Acquired(_)
            )
        });
    }
    tokio::task::yield_now().await;
    let settled = stage.store().release(&claim).await;
    assert_eq!(settled.unwrap(), Settled::Applied);
    let owners = tasks.join_all().await.into_iter().filter(|owner| *owner);
    assert_eq!(owners.count(), 1);
}

/// Purging deletes what has expired, never more than it was asked, and says how much.
pub async fn purge_is_bounded(stage: &Stage) {
    for name in 0..10 {
        let claim = stage.claim(&name.to_string()).await;
        complete(stage, &claim).await;
    }
    stage.pass(stage.retention()).await;
    let three = NonZeroUsize::MIN.saturating_add(2);
    let mut purged = 0;
    loop {
        let now = stage.store().purge(three).await.unwrap();
        assert!(now <= three.get());
        purged += now;
        if now < three.get() {
            break;
        }
    }
    // Others may purge the same store, or it may do so by itself; nobody purges twice.
    assert!(
        purged <= 10 || stage.store().capabilities().shared,
        "{purged}"
    );
    assert_eq!(stage.claim("0").await.execution(), 1);
}

/// Purging spares claims in force, orphans in their retention, and answers in theirs.
pub async fn purge_spares_what_lives(stage: &Stage) {
    let answered = stage.claim("answered").await;
    let ended = acquired(stage.begin(stage.request("ended")).await);
    stage.pass(stage.lease()).await;
    let answer = complete(stage, &answered).await;
    let live = stage.claim("live").await;
    while stage.store().purge(NonZeroUsize::MIN).await.unwrap() > 0 {}

    assert_eq!(stage.answer("answered").await, answer);
    assert!(is_in_progress(&stage.found("live").await));
    let renewed = stage.store().renew(&live, stage.lease()).await;
    assert_eq!(renewed.unwrap(), Settled::Applied);
    assert_eq!(
        stage.claim("ended").await.execution(),
        ended.execution() + 1
    );
}

/// A purge that races with begins of the same expired keys never deletes a new claim.
pub async fn purge_never_deletes_a_claim_that_races_with_it(stage: &Stage) {
    for round in 0..50 {
        let name = round.to_string();
        let claim = stage.claim(&name).await;
        let settled = stage
            .store()
            .complete(&claim, &response("short"), Duration::from_millis(1))
            .await;
        assert_eq!(settled.unwrap(), Settled::Applied);
    }
    stage.pass(stage.lease() / 4).await;
    let (store, limit) = (stage.shared(), NonZeroUsize::MIN);
    let purging = tokio::spawn(async move {
        for _ in 0..60 {
            store.purge(limit).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let long = stage.lease() * 1000;
    let mut claims = Vec::new();
    for round in 0..50 {
        let request = buttress_store::BeginRequest {
            lease: long,
            ..stage.request(&round.to_string())
        };
        claims.push(acquired(stage.begin(request).await));
    }
    purging.await.unwrap();
    for claim in &claims {
        let renewed = stage.store().renew(claim, long).await;
        assert_eq!(renewed.unwrap(), Settled::Applied);
    }
}

/// A wait for a key that is adopted ends: its outcome is known.
pub async fn adoption_leaves_nothing_to_wait_for(stage: &Stage) {
    let lost = acquired(stage.begin(stage.refusing("k")).await);
    stage.pass(stage.lease()).await;
    let adopted = stage.store().adopt(lost.key(), &Resolution::NotExecuted);
    assert_eq!(adopted.await.unwrap(), Settled::Applied);
    let before = Instant::now();
    stage.store().wait(lost.key(), FOR_EVER).await.unwrap();
    assert!(before.elapsed() < stage.lease() / 2);
}

async fn complete(stage: &Stage, claim: &buttress_store::Claim) -> StoredResponse {
    let answer = response("done");
    let settled = stage.store().complete(claim, &answer, stage.retention());
    assert_eq!(settled.await.unwrap(), Settled::Applied);
    answer
}

const FOR_EVER: Duration = Duration::from_secs(100_000);
