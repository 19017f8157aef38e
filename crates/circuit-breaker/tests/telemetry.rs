//! What is said of a circuit: its changes, its refusals, late answers, and nothing of a good call.

#[path = "breaker/peer.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod peer;

use buttress_test_telemetry::traces;
use tokio::time::advance;
use tower::{Service, ServiceExt};

use peer::{Do, calls, consecutive, guarded, secs};

#[tokio::test(start_paused = true)]
async fn changes_refusals_and_late_answers_are_told_and_good_calls_are_not() {
    let traces = traces("buttress_circuit_breaker");
    let (mut service, _circuit) = guarded(consecutive(1).name("ledger"));
    calls(&mut service, Do::Succeed, 3).await;
    assert_eq!(traces.lines(), [""; 0]);

    let late = service.ready().await.unwrap().call(Do::Fail);
    calls(&mut service, Do::Fail, 1).await;
    calls(&mut service, Do::Succeed, 1).await;
    drop(late.await);
    advance(secs(30)).await;
    calls(&mut service, Do::Succeed, 1).await;

    let change = |from, to, cause, open| {
        format!(
            "INFO breaker.cause=\"{cause}\" breaker.name=\"ledger\"{open} \
             breaker.previous_state=\"{from}\" breaker.state=\"{to}\" message=circuit changed"
        )
    };
    let expected = [
        change(
            "closed",
            "open",
            "consecutive_failures",
            " breaker.open_s=30.0",
        ),
        "DEBUG breaker.name=\"ledger\" breaker.shadow=false message=call refused".to_owned(),
        "DEBUG breaker.name=\"ledger\" message=late outcome ignored".to_owned(),
        change("open", "half_open", "cool_down_over", ""),
        change("half_open", "closed", "probes_succeeded", ""),
    ];
    assert_eq!(traces.lines(), expected);
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn changes_and_refusals_are_counted() {
    let _traces = traces("buttress_circuit_breaker");
    let counts = buttress_test_telemetry::Counts::default();
    let guard = counts.keep();
    let (mut service, circuit) = guarded(consecutive(1).name("ledger"));
    calls(&mut service, Do::Succeed, 10).await;
    calls(&mut service, Do::Fail, 4).await;
    circuit.shadow();
    calls(&mut service, Do::Fail, 2).await;
    drop(guard);

    let expected = [
        (
            "breaker.rejections breaker.name=ledger breaker.enforced=false",
            2,
        ),
        (
            "breaker.rejections breaker.name=ledger breaker.enforced=true",
            3,
        ),
        (
            "breaker.transitions breaker.name=ledger breaker.state=open",
            1,
        ),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts.totals(), expected);
}
