//! What `HttpClassifier` makes of a response: its status, then its headers.

use std::time::Duration;

use buttress_classify::{
    BoxError, Class, Classify, ErrorClassifier, Health, HttpClassifier, Sent, Verdict,
};
use http::Response;

fn head(status: u16, headers: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}

fn judge(status: u16, headers: &[(&'static str, &str)]) -> Verdict {
    HttpClassifier.classify(Ok(&head(status, headers))).unwrap()
}

#[test]
fn a_success_is_seen_without_its_verdict() {
    // Neither header makes a success of a failure, or a failure of a success.
    for headers in [&[][..], &[("x-should-retry", "true"), ("retry-after", "1")]] {
        for status in 100..=999 {
            let verdict = judge(status, headers);
            let success = verdict.class == Class::Success && verdict.health == Health::Good;
            let response = head(status, headers);
            assert_eq!(HttpClassifier.is_success(&response), success, "{status}");
            let shared = std::sync::Arc::new(HttpClassifier);
            assert_eq!(shared.is_success(&response), success, "{status}");
            // A tuple tells it by its verdict.
            assert_eq!((HttpClassifier,).is_success(&response), success, "{status}");
        }
    }
}

#[test]
fn each_status_has_its_verdict() {
    use Class::{Permanent, Success, Throttled, Transient};
    let table = [
        (100..=399, Success, Sent::Maybe, Health::Good),
        (400..=407, Permanent, Sent::Maybe, Health::Good),
        (408..=408, Transient, Sent::Maybe, Health::Bad),
        (409..=420, Permanent, Sent::Maybe, Health::Good),
        (421..=421, Transient, Sent::No, Health::Bad),
        (422..=424, Permanent, Sent::Maybe, Health::Good),
        (425..=425, Transient, Sent::No, Health::Bad),
        (426..=428, Permanent, Sent::Maybe, Health::Good),
        (429..=429, Throttled, Sent::Maybe, Health::Throttled),
        (430..=499, Permanent, Sent::Maybe, Health::Good),
        (500..=500, Transient, Sent::Maybe, Health::Bad),
        (501..=501, Permanent, Sent::Maybe, Health::Good),
        (502..=504, Transient, Sent::Maybe, Health::Bad),
        (505..=508, Permanent, Sent::Maybe, Health::Good),
        (509..=509, Transient, Sent::Maybe, Health::Bad),
        (510..=511, Permanent, Sent::Maybe, Health::Good),
        (512..=999, Transient, Sent::Maybe, Health::Bad),
    ];
    let mut judged = 0;
    for (statuses, class, sent, health) in table {
        for status in statuses {
            let verdict = judge(status, &[]);
            assert_eq!(
                (verdict.class, verdict.sent, verdict.health, verdict.veto),
                (class, sent, health, false),
                "{status}"
            );
            judged += 1;
        }
    }
    assert_eq!(judged, 900);
}

#[test]
fn the_reason_of_a_retried_status_is_its_number() {
    for status in [408, 421, 425, 429, 500, 502, 503, 504] {
        assert_eq!(judge(status, &[]).reason, status.to_string());
    }
}

#[test]
fn a_failure_carries_the_wish_of_the_server() {
    for status in [400, 409, 421, 429, 500, 503] {
        let verdict = judge(status, &[("retry-after", "7")]);
        assert_eq!(
            verdict.retry_after,
            Some(Duration::from_secs(7)),
            "{status}"
        );
        assert_eq!(
            verdict.class,
            judge(status, &[]).class,
            "a hint alone changes no class"
        );
        assert_eq!(
            verdict.sent,
            judge(status, &[]).sent,
            "a hint proves nothing"
        );
    }
}

#[test]
fn the_server_may_forbid_another_attempt() {
    let vetoes = [
        ("stripe-should-retry", "false"),
        ("x-should-retry", "false"),
        ("grpc-retry-pushback-ms", "-1"),
        ("grpc-retry-pushback-ms", "soon"),
        ("grpc-retry-pushback-ms", ""),
        ("grpc-retry-pushback-ms", "2147483648"),
        ("x-envoy-ratelimited", "true"),
    ];
    for veto in vetoes {
        for status in [429, 500, 503] {
            assert!(judge(status, &[veto]).veto, "{veto:?} on {status}");
        }
    }
}

#[test]
fn only_the_exact_words_count() {
    for value in ["", "no", "False", "FALSE", "0", " false ,true", "TRUE", "1"] {
        let verdict = judge(503, &[("stripe-should-retry", value)]);
        assert_eq!(verdict, judge(503, &[]), "{value:?}");
        let verdict = judge(409, &[("x-should-retry", value)]);
        assert_eq!(verdict, judge(409, &[]), "{value:?}");
    }
}

#[test]
fn the_server_may_ask_for_another_attempt() {
    for name in ["stripe-should-retry", "x-should-retry"] {
        let verdict = judge(409, &[(name, "true")]);
        assert_eq!(verdict.class, Class::Transient);
        assert_eq!(verdict.sent, Sent::Maybe);
        assert_eq!(
            verdict.health,
            Health::Good,
            "it changes what to do, not how the peer fares"
        );
        assert_eq!(judge(429, &[(name, "true")]).class, Class::Throttled);
        assert_eq!(judge(503, &[(name, "true")]), judge(503, &[]));
    }
}

#[test]
fn who_forbids_outvotes_who_asks() {
    let both = [("stripe-should-retry", "true"), ("x-should-retry", "false")];
    assert!(judge(409, &both).veto);
    let twice = [("x-should-retry", "false"), ("x-should-retry", "true")];
    assert!(judge(409, &twice).veto);
}

#[test]
fn a_pushback_is_a_wish_like_any_other() {
    let verdict = judge(503, &[("grpc-retry-pushback-ms", "1500")]);
    assert_eq!(verdict.retry_after, Some(Duration::from_millis(1500)));
    assert!(!verdict.veto);
    let longer = [("grpc-retry-pushback-ms", "1500"), ("retry-after", "2")];
    assert_eq!(
        judge(503, &longer).retry_after,
        Some(Duration::from_secs(2))
    );
    assert_eq!(
        judge(503, &[("grpc-retry-pushback-ms", "0")]).retry_after,
        Some(Duration::ZERO)
    );
}

#[test]
fn a_limit_of_envoy_is_no_sign_of_a_sick_peer() {
    let verdict = judge(503, &[("x-envoy-ratelimited", "true")]);
    assert_eq!(verdict.class, Class::Throttled);
    assert_eq!(verdict.health, Health::Throttled);
}

#[test]
fn a_success_stays_one_whatever_its_headers_say() {
    let loud = [
        ("stripe-should-retry", "true"),
        ("x-should-retry", "false"),
        ("grpc-retry-pushback-ms", "-1"),
        ("x-envoy-ratelimited", "true"),
        ("retry-after", "60"),
    ];
    for status in [200, 204, 302, 304] {
        assert_eq!(judge(status, &loud), Verdict::success());
    }
}

#[test]
fn any_response_is_a_success_where_there_are_no_statuses() {
    assert_eq!(
        ErrorClassifier.classify(Ok(&head(500, &[]))),
        Some(Verdict::success())
    );
    assert_eq!(
        Classify::<str>::classify(&ErrorClassifier, Ok("done")),
        Some(Verdict::success())
    );
    let reset: BoxError = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
    assert_eq!(
        Classify::<str>::classify(&ErrorClassifier, Err(&*reset)),
        Some(Verdict::transient("reset"))
    );
}
