//! Callers that hang up, and answers that get lost.

use buttress_store::{Begin, Settled};

use crate::Stage;
use crate::poll::poll_at_most;
use crate::stage::{acquired, is_in_progress, response};

/// How many polls of one call are tried as the last.
const POLLS: usize = 6;

/// A begin dropped at any await leaves no claim beyond its lease, and its repeat finds it.
pub async fn a_dropped_begin_leaves_no_claim_beyond_its_lease(stage: &Stage) {
    let cases = (0..POLLS).flat_map(|polls| [(polls, true), (polls, false)]);
    for (polls, at_once) in cases.clone() {
        let name = format!("{polls} {at_once}");
        let request = stage.request(&name);
        let dropped = poll_at_most(stage.store().begin(request), polls, at_once).await;
        if let Some(begun) = dropped {
            acquired_by(begun.unwrap(), &request);
        }
        // A repeat by the same token owns the key, whether the dropped begin arrived or not.
        let repeated = format!("repeated {polls} {at_once}");
        let request = stage.request(&repeated);
        let _ = poll_at_most(stage.store().begin(request), polls, at_once).await;
        acquired_by(stage.begin(request).await, &request);
        assert!(is_in_progress(&stage.found(&repeated).await));
    }
    stage.pass(stage.lease()).await;
    for (polls, at_once) in cases {
        let claim = stage.claim(&format!("{polls} {at_once}")).await;
        assert!(claim.execution() <= 2);
    }
}

/// A completion dropped at any await happened whole or not at all; its repeat says which.
pub async fn a_dropped_completion_is_repeated(stage: &Stage) {
    for (polls, at_once) in (0..POLLS).flat_map(|polls| [(polls, true), (polls, false)]) {
        let name = format!("{polls} {at_once}");
        let claim = stage.claim(&name).await;
        let first = response("first");
        let call = stage.store().complete(&claim, &first, stage.retention());
        let dropped = poll_at_most(call, polls, at_once).await;
        let second = response("second");
        let repeated = stage.store().complete(&claim, &second, stage.retention());
        let expected = match repeated.await.unwrap() {
            Settled::Applied => {
                assert!(dropped.is_none(), "applied twice");
                second
            }
            Settled::AlreadyApplied => first,
            Settled::Lost => panic!("lost its own completion"),
        };
        assert_eq!(stage.answer(&name).await, expected);
    }
}

/// Dropped renewals, releases, waits and purges leave a store that works.
pub async fn a_store_outlives_dropped_calls(stage: &Stage) {
    for (polls, at_once) in (0..POLLS).flat_map(|polls| [(polls, true), (polls, false)]) {
        let name = format!("{polls} {at_once}");
        let claim = stage.claim(&name).await;
        let store = stage.store();
        let lease = stage.lease();
        let _ = poll_at_most(store.renew(&claim, lease), polls, at_once).await;
        let wait = store.wait(claim.key(), lease / 20);
        let _ = poll_at_most(wait, polls, at_once).await;
        let _ = poll_at_most(store.purge(std::num::NonZeroUsize::MIN), polls, at_once).await;
        assert!(is_in_progress(&stage.found(&name).await));

        let released = poll_at_most(store.release(&claim), polls, at_once).await;
        let again = store.release(&claim).await.unwrap();
        assert_ne!(again, Settled::Lost);
        if released.is_some() {
            assert_eq!(again, Settled::AlreadyApplied);
        }
        let _claim = stage.claim(&name).await;
    }
}

fn acquired_by(begin: Begin, request: &buttress_store::BeginRequest) {
    let claim = acquired(begin);
    assert_eq!(claim.token(), &request.token);
    assert_eq!(claim.execution(), 1);
}
