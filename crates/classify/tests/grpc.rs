//! What `GrpcClassifier` makes of a head: trailers-only, or the beginning of an answer.

use std::time::Duration;

use buttress_classify::{BoxError, Class, Classify, GrpcClassifier, Health, Verdict};
use http::Response;

fn judge(status: u16, headers: &[(&'static str, &str)]) -> Verdict {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let response = response.body(()).unwrap();
    GrpcClassifier.classify(Ok(&response)).unwrap()
}

#[test]
fn each_code_has_its_verdict() {
    use Class::{Permanent, Success, Throttled, Transient};
    let table = [
        ("0", Success, Health::Good),
        ("1", Permanent, Health::Neutral),
        ("2", Permanent, Health::Bad),
        ("3", Permanent, Health::Good),
        ("4", Permanent, Health::Bad),
        ("5", Permanent, Health::Good),
        ("6", Permanent, Health::Good),
        ("7", Permanent, Health::Good),
        ("8", Throttled, Health::Throttled),
        ("9", Permanent, Health::Good),
        ("10", Permanent, Health::Good),
        ("11", Permanent, Health::Good),
        ("12", Permanent, Health::Good),
        ("13", Permanent, Health::Bad),
        ("14", Transient, Health::Bad),
        ("15", Permanent, Health::Bad),
        ("16", Permanent, Health::Good),
        ("17", Permanent, Health::Bad),
        ("", Permanent, Health::Bad),
        ("fourteen", Permanent, Health::Bad),
    ];
    for (code, class, health) in table {
        let verdict = judge(200, &[("grpc-status", code)]);
        assert_eq!(
            (verdict.class, verdict.health),
            (class, health),
            "code {code:?}"
        );
    }
}

#[test]
fn a_head_without_a_code_begins_an_answer() {
    assert_eq!(judge(200, &[]), Verdict::success());
}

#[test]
fn without_a_code_the_status_of_http_decides() {
    assert_eq!(judge(503, &[]), Verdict::transient("503"));
    assert_eq!(judge(429, &[]), Verdict::throttled("429"));
    assert_eq!(judge(404, &[]), Verdict::rejected("4xx"));
    assert_eq!(judge(204, &[]), Verdict::permanent("unknown"));
    assert_eq!(judge(302, &[]), Verdict::permanent("unknown"));
}

#[test]
fn a_code_outweighs_the_status() {
    assert_eq!(
        judge(503, &[("grpc-status", "7")]),
        Verdict::rejected("permission_denied")
    );
}

#[test]
fn a_pushback_says_when_or_never() {
    let verdict = judge(
        200,
        &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "500")],
    );
    assert_eq!(verdict.retry_after, Some(Duration::from_millis(500)));
    assert!(!verdict.veto);
    assert!(
        judge(
            200,
            &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")]
        )
        .veto
    );
    assert!(
        judge(
            200,
            &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "abc")]
        )
        .veto
    );
}

#[test]
fn an_error_is_judged_as_over_http() {
    let refused: BoxError = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
    assert_eq!(
        Classify::<Response<()>>::classify(&GrpcClassifier, Err(&*refused)),
        Some(Verdict::transient("connect").unsent())
    );
}
