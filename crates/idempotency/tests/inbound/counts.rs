//! What is counted of each outcome.

use std::time::Duration;

use buttress_test_telemetry::Counts;

use crate::kit::{Flaky, Mode, Runs, inbound, poke, post, send, settle};

#[tokio::test(start_paused = true)]
async fn each_outcome_is_counted_once() {
    let counts = Counts::default();
    let _kept = counts.keep();
    let (store, runs) = (Flaky::default(), Runs::default());
    let layer = inbound(store.clone()).build().unwrap();
    let service = runs.slow(&layer, Duration::from_secs(1));
    let mut first = Box::pin(send(&service, post("k", "order")));
    poke(&mut first).await;
    settle().await;
    send(&service, post("k", "order")).await;
    send(&service, post("k", "another")).await;
    first.await;
    send(&service, post("k", "order")).await;
    send(&service, post("k".repeat(256).as_str(), "order")).await;
    store.begin_is(Mode::Down);
    send(&service, post("k", "order")).await;
    store.begin_is(Mode::Up);

    // Whoever saw this answer may find no record: it is counted.
    store.complete_is(Mode::Down);
    let seen = send(&service, post("late", "order")).await;
    assert_eq!(seen.status, 201);

    let total = |outcome: &str| {
        let name = format!("idempotency.requests idempotency.outcome={outcome}");
        let totals = counts.totals();
        let found = totals.iter().find(|(counted, _)| *counted == name);
        found.map_or(0, |(_, total)| *total)
    };
    for (outcome, expected) in [
        ("started", 2),
        ("in_flight", 1),
        ("mismatch", 1),
        ("replayed", 1),
        ("idempotency-key-invalid", 1),
        ("unavailable", 1),
        ("unrecorded", 1),
        ("lost", 0),
    ] {
        assert_eq!(total(outcome), expected, "{outcome} in {counts:?}");
    }
}
