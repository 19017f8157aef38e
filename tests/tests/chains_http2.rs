//! What happens to a request over HTTP/2 on a real socket, and what each client's error means.

use buttress_classify::{Class, Health, Sent, Verdict};
use tests::chains::{assert_each, empty, errors_held, failing, large, meaning_of};
use tests::clients::Version::Two;
use tests::peer::Step::{Fin, Hang, Read, ReadPreface, ReadRequest, Reset, Write};
use tests::peer::frames::{Reason, data, goaway, head, reset, settings};
use tests::peer::{Plan, Step};

const RESET: Verdict = Verdict::transient("reset");

/// Takes one request, and then does `steps`.
fn after_a_request(steps: impl IntoIterator<Item = Step>) -> Plan {
    let mut plan = vec![ReadPreface, Write(settings()), ReadRequest];
    plan.extend(steps);
    plan
}

#[tokio::test]
async fn a_refused_stream_was_not_processed() {
    let plan = after_a_request([Write(reset(Reason::RefusedStream)), Hang]);
    let verdict = Verdict::transient("refused_stream").unsent();
    assert_each(Two, plan.clone(), empty, verdict).await;
    assert_each(Two, plan, large, verdict).await;
}

#[tokio::test]
async fn a_stream_above_the_last_of_a_goaway_was_not_processed() {
    let plan = after_a_request([Write(goaway(0, Reason::NoError)), Fin]);
    assert_each(Two, plan, empty, Verdict::transient("goaway").unsent()).await;
    let plan = after_a_request([Write(goaway(0, Reason::EnhanceYourCalm)), Fin]);
    assert_each(
        Two,
        plan,
        empty,
        Verdict::throttled("enhance_your_calm").unsent(),
    )
    .await;
    let plan = after_a_request([Write(goaway(0, Reason::Http11Required)), Fin]);
    assert_each(Two, plan, empty, Verdict::permanent("http2").unsent()).await;
}

#[tokio::test]
async fn the_last_stream_of_a_goaway_may_have_been_processed() {
    for reason in [
        Reason::NoError,
        Reason::InternalError,
        Reason::EnhanceYourCalm,
    ] {
        let plan = after_a_request([Write(goaway(1, reason)), Fin]);
        assert_each(Two, plan, empty, RESET).await;
        let plan = after_a_request([Write(goaway(1, reason)), Reset]);
        assert_each(Two, plan, empty, RESET).await;
    }
}

#[tokio::test]
async fn a_goaway_before_the_request() {
    // Which of hyper's layers notices first is a matter of luck; none of them lets a request out.
    let plan = vec![Write(settings()), Write(goaway(0, Reason::NoError))];
    for (kind, error) in errors_held(Two, plan).await {
        let verdict = meaning_of(&error).unwrap();
        assert_eq!(
            (verdict.class, verdict.sent, verdict.health),
            (Class::Transient, Sent::No, Health::Bad),
            "{kind:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn each_reason_of_a_reset_has_its_verdict() {
    use Reason as R;
    let table = [
        (R::NoError, RESET),
        (R::ProtocolError, Verdict::permanent("http2")),
        (R::InternalError, RESET),
        (R::FlowControlError, RESET),
        (R::SettingsTimeout, RESET),
        (R::StreamClosed, RESET),
        (R::FrameSizeError, Verdict::permanent("http2")),
        (R::Cancel, RESET),
        (R::CompressionError, Verdict::permanent("http2")),
        (R::ConnectError, RESET),
        (R::EnhanceYourCalm, Verdict::throttled("enhance_your_calm")),
        (R::InadequateSecurity, Verdict::permanent("http2")),
        (R::Http11Required, Verdict::permanent("http2")),
    ];
    for (reason, verdict) in table {
        let plan = after_a_request([Write(reset(reason)), Hang]);
        assert_each(Two, plan, empty, verdict).await;
    }
}

#[tokio::test]
async fn fin_after_the_request() {
    assert_each(Two, after_a_request([Fin]), empty, RESET).await;
}

#[tokio::test]
async fn rst_after_the_request() {
    assert_each(Two, after_a_request([Reset]), empty, RESET).await;
}

#[tokio::test]
async fn a_body_cut_by_a_reset() {
    let steps = [
        Write(head()),
        Write(data(b"abc")),
        Write(reset(Reason::InternalError)),
        Hang,
    ];
    assert_each(Two, after_a_request(steps), empty, RESET).await;
}

#[tokio::test]
async fn a_body_cut_by_fin_or_rst() {
    for cut in [Fin, Reset] {
        let steps = [Write(head()), Write(data(b"abc")), cut];
        assert_each(Two, after_a_request(steps), empty, RESET).await;
    }
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_of_a_requests_body() {
    for cut in [Fin, Reset] {
        let plan = after_a_request([Read(1000), cut]);
        assert_each(Two, plan, large, RESET).await;
    }
}

#[tokio::test]
async fn garbage_for_frames() {
    let plan = vec![
        ReadPreface,
        Step::write("HTTP/1.1 400 Bad Request\r\n\r\n"),
        Hang,
    ];
    assert_each(Two, plan, empty, Verdict::permanent("http2")).await;
}

#[tokio::test]
async fn a_requests_body_that_fails_is_its_senders_fault() {
    let users = Verdict::permanent("user").with_health(Health::Neutral);
    assert_each(Two, after_a_request([Hang]), failing, users).await;
}
