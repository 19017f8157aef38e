//! What is said of retries: the fields of the conventions, and no more.

use std::convert::Infallible;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use buttress_body::ReplayBody;
use buttress_retry::RetryLayer;
use buttress_test_telemetry::traces;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};

/// Sends a GET to a peer that answers with these statuses.
async fn send<const N: usize>(statuses: [u16; N]) {
    let mut statuses = statuses.into_iter();
    let peer = service_fn(move |_: Request<ReplayBody<Full<Bytes>>>| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = statuses.next().unwrap_or(200).try_into().unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let backoff = Backoff::constant(Duration::from_millis(1500)).jitter(Jitter::None);
    let service = RetryLayer::new().backoff(backoff).layer(peer);
    let request = Request::new(Full::<Bytes>::default());
    service.oneshot(request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_resend_and_a_refusal_are_told_at_debug_level() {
    let traces = traces("buttress_retry");
    send([503, 429, 500]).await;
    let told = [
        "DEBUG http.request.resend_count=1 message=resending retry.delay_s=1.5 retry.reason=\"503\"",
        "DEBUG http.request.resend_count=2 message=resending retry.delay_s=1.5 retry.reason=\"429\"",
        "DEBUG http.request.resend_count=2 message=not resending outcome=\"attempts\" retry.reason=\"500\"",
    ];
    assert_eq!(traces.lines(), told);
}

#[tokio::test(start_paused = true)]
async fn of_a_call_that_needs_no_retry_nothing_is_told() {
    let traces = traces("buttress_retry");
    send([200]).await;
    send([404]).await;
    assert_eq!(traces.lines(), [""; 0]);
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn attempts_that_failed_for_now_are_counted_by_reason_and_outcome() {
    let _traces = traces("buttress_retry");
    let counts = buttress_test_telemetry::Counts::default();
    let guard = counts.keep();
    send([503, 503, 500]).await;
    send([503]).await;
    send([200]).await;
    send([404]).await;
    drop(guard);

    let expected = [
        ("retry.attempts retry.reason=500 outcome=attempts", 1),
        ("retry.attempts retry.reason=503 outcome=resent", 3),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts.totals(), expected);
}
