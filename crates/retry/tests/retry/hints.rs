//! What a server's hint does to the wait.

use std::time::Duration;

use buttress_classify::Verdict;
use buttress_deadline::Deadline;
use buttress_retry::{Reason, RetryLayer};
use tokio::time::Instant;

use crate::peer::{Answer, Peer, code, get, send, status, story};

const HALF: u64 = 1 << 63;

async fn wait_for(answer: Answer, random: u64) -> Duration {
    let peer = Peer::new([answer]);
    let layer = RetryLayer::new().random(move || random);
    let answered = send(&layer, &peer, get()).await;
    assert_eq!(code(&answered), 200);
    peer.waits()[0]
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_a_lower_bound_and_spread_upwards_by_less_than_half() {
    for (random, low, high) in [(0, 5000, 5001), (HALF, 6250, 6251), (u64::MAX, 7499, 7501)] {
        let wait = wait_for(status(503).with("retry-after", "5"), random).await;
        assert!(
            wait >= Duration::from_millis(low) && wait < Duration::from_millis(high),
            "{wait:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_wait_ends_before_its_hint_not_even_by_a_part_of_a_millisecond() {
    // The clock begins between two ticks of the timer.
    tokio::time::advance(Duration::from_micros(300)).await;
    for nanos in [1, 999_999, 1_000_001, 20_300_000] {
        let hint = Duration::from_nanos(nanos);
        let hinted = Verdict::throttled("429").with_retry_after(Some(hint));
        let wait = wait_for(Answer::Error(hinted), 0).await;
        assert!(wait >= hint, "{wait:?} < {hint:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_is_too_long_ends_the_operation_at_once_with_the_response() {
    let start = Instant::now();
    for (seconds, calls) in [("60", 2), ("61", 1)] {
        let peer = Peer::new([status(429).with("retry-after", seconds)]);
        let answered = send(&RetryLayer::new(), &peer, get()).await;
        assert_eq!(peer.calls(), calls, "{seconds} s");
        if calls == 1 {
            assert_eq!(code(&answered), 429);
            assert_eq!(story(&answered).unwrap().stopped, Reason::HintTooLong);
        }
    }
    assert!(start.elapsed() < Duration::from_secs(91));

    let patient = RetryLayer::new().max_hint(Duration::from_secs(120));
    let peer = Peer::new([status(429).with("retry-after", "90")]);
    send(&patient, &peer, get()).await.unwrap();
    assert!(peer.waits()[0] >= Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_hint_without_end_is_waited_for_without_a_panic() {
    let peer = Peer::new([Answer::Error(
        Verdict::transient("503").with_retry_after(Some(Duration::MAX)),
    )]);
    let layer = RetryLayer::new().max_hint(Duration::MAX);
    let mut call = tokio_test::task::spawn(send(&layer, &peer, get()));
    tokio_test::assert_pending!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn a_hint_past_the_deadline_ends_the_operation_at_once() {
    let start = Instant::now();
    let mut request = get();
    let deadline = Deadline::after(start, Duration::from_secs(10));
    request.extensions_mut().insert(deadline);
    let peer = Peer::new([status(503).with("retry-after", "10")]);
    let answered = send(&RetryLayer::new(), &peer, request).await;

    assert_eq!(code(&answered), 503);
    assert_eq!(story(&answered).unwrap().stopped, Reason::Deadline);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_pushback_is_a_hint_and_a_negative_one_a_veto() {
    let pushback = |value| status(503).with("grpc-retry-pushback-ms", value);
    assert_eq!(
        wait_for(pushback("500"), 0).await,
        Duration::from_millis(500)
    );

    for value in ["-1", "soon"] {
        let peer = Peer::new([pushback(value)]);
        let answered = send(&RetryLayer::new(), &peer, get()).await;
        assert_eq!(story(&answered).unwrap().stopped, Reason::Vetoed, "{value}");
    }
}
