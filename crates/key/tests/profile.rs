//! Profiles: what each provider promises, and what its answers mean in consequence.

use std::time::Duration;

use buttress_classify::{Class, Classify, Health, HttpClassifier, Sent, Verdict};
use buttress_key::{
    Charset, IdempotencyKey, InvalidProfile, KeyInBody, Misfit, Profile, ProfileBuilder, Stores,
    Syntax,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

fn judge(
    profile: &Profile,
    status: u16,
    headers: &[(&'static str, &'static str)],
) -> Option<Verdict> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for &(name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    profile.classify(Ok(&response))
}

fn acme() -> ProfileBuilder {
    Profile::custom(
        "acme",
        HeaderName::from_static("acme-key"),
        Stores::Executed,
        DAY,
    )
}

fn promises(
    profile: &Profile,
    header: Option<&str>,
    methods: &[Method],
    (min, max): (usize, usize),
    retention: Duration,
    stores: Stores,
) {
    let name = profile.name();
    assert_eq!(profile.header().map(HeaderName::as_str), header, "{name}");
    for method in [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
    ] {
        assert_eq!(
            profile.covers(&method),
            methods.contains(&method),
            "{name} {method}"
        );
    }
    assert_eq!(profile.retention(), retention, "{name}");
    assert_eq!(profile.stores(), stores, "{name}");
    assert_eq!(profile.syntax() == Syntax::Quoted, name == "ietf");
    assert_eq!(profile.check(&key(&"k".repeat(min))), Ok(()), "{name}");
    assert_eq!(profile.check(&key(&"k".repeat(max))), Ok(()), "{name}");
    if min > 1 {
        assert_eq!(
            profile.check(&key(&"k".repeat(min - 1))),
            Err(Misfit::TooShort(min)),
            "{name}"
        );
    }
    if max < 255 {
        assert_eq!(
            profile.check(&key(&"k".repeat(max + 1))),
            Err(Misfit::TooLong(max)),
            "{name}"
        );
    }
    assert_eq!(
        profile.check(&IdempotencyKey::generate().unwrap()),
        Ok(()),
        "{name}"
    );
}

#[test]
fn the_published_promises() {
    use Stores::{Executed, LatestState, SuccessOnly};
    let post = [Method::POST];
    let patch = [Method::POST, Method::PATCH];
    let delete = [Method::POST, Method::DELETE];
    let ik = Some("idempotency-key");
    let pp = Some("paypal-request-id");
    let rx = Some("x-payout-idempotency");
    promises(&Profile::stripe_v1(), ik, &post, (1, 255), DAY, Executed);
    promises(
        &Profile::stripe_v2(),
        ik,
        &delete,
        (1, 255),
        30 * DAY,
        LatestState,
    );
    promises(&Profile::adyen(), ik, &post, (1, 64), 7 * DAY, Executed);
    promises(
        &Profile::paypal(),
        pp,
        &post,
        (1, 108),
        6 * HOUR,
        LatestState,
    );
    promises(&Profile::square(), None, &post, (1, 45), HOUR, SuccessOnly);
    promises(
        &Profile::razorpay_x(),
        rx,
        &post,
        (4, 36),
        7 * DAY,
        LatestState,
    );
    promises(&Profile::ietf(), ik, &patch, (1, 255), HOUR, Executed);
    promises(&Profile::buttress(), ik, &patch, (1, 255), DAY, Executed);
}

#[test]
fn characters_are_checked_against_the_providers_set() {
    assert_eq!(Profile::razorpay_x().check(&key("a-b_c 1")), Ok(()));
    assert_eq!(
        Profile::razorpay_x().check(&key("a.b_c")),
        Err(Misfit::Character)
    );
    assert_eq!(
        Profile::stripe_v1().check(&key("a b")),
        Err(Misfit::Character)
    );
    assert_eq!(Profile::ietf().check(&key("a b")), Ok(()));
    assert_eq!(Profile::square().check(&key("a/b")), Err(Misfit::Character));
}

#[test]
fn a_charset_holds_what_it_was_given() {
    let set = Charset::EMPTY
        .with('a')
        .with('~')
        .with(' ')
        .with('\u{e4}')
        .with('\n');
    let members: Vec<u8> = (0..=u8::MAX).filter(|&byte| set.contains(byte)).collect();
    assert_eq!(members, b" a~");
    assert_eq!(format!("{set:?}"), r#"Charset(" a~")"#);
    assert!((0..=u8::MAX).all(|byte| Charset::VISIBLE.contains(byte) == byte.is_ascii_graphic()));
    assert!((0..=u8::MAX).all(|byte| {
        Charset::URL_SAFE.contains(byte) == (byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    }));
    assert_eq!(Charset::PRINTABLE.without(' '), Charset::VISIBLE);
}

#[test]
fn a_key_is_written_in_the_profiles_syntax() {
    let key = key(r#"a"b"#);
    assert_eq!(Profile::stripe_v1().to_value(&key), r#"a"b"#);
    assert_eq!(Profile::ietf().to_value(&key), r#""a\"b""#);
}

#[test]
fn a_request_is_keyed_by_its_header_on_a_covered_method() {
    let stripe = Profile::stripe_v1();
    let mut headers = HeaderMap::new();
    let none = Extensions::new();
    assert!(!stripe.is_keyed(&Method::POST, &headers, &none));
    headers.insert("Idempotency-Key", HeaderValue::from_static("k"));
    assert!(stripe.is_keyed(&Method::POST, &headers, &none));
    assert!(!stripe.is_keyed(&Method::PATCH, &headers, &none));
    assert!(!Profile::paypal().is_keyed(&Method::POST, &headers, &none));
}

#[test]
fn a_header_without_a_key_or_with_two_makes_no_request_safe() {
    let stripe = Profile::stripe_v1();
    let keyed = |lines: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("Idempotency-Key", HeaderValue::from_static(line));
        }
        stripe.is_keyed(&Method::POST, &headers, &Extensions::new())
    };
    assert!(keyed(&["k"]));
    assert!(keyed(&["\"k\""]));
    for lines in [
        &[""][..],
        &[" \t"],
        &["\"\""],
        &["k", "k"],
        &["k", "l"],
        &["", "k"],
    ] {
        assert!(!keyed(lines), "{lines:?}");
    }
}

#[test]
fn a_request_with_its_key_in_the_body_is_known_by_its_mark_alone() {
    let square = Profile::square();
    assert_eq!(square.body_field(), Some("idempotency_key"));
    assert_eq!(Profile::stripe_v1().body_field(), None);
    let mut headers = HeaderMap::new();
    headers.insert("Idempotency-Key", HeaderValue::from_static("k"));
    let mut extensions = Extensions::new();
    assert!(!square.is_keyed(&Method::POST, &headers, &extensions));
    extensions.insert(KeyInBody);
    assert!(square.is_keyed(&Method::POST, &headers, &extensions));
    assert!(!square.is_keyed(&Method::PUT, &headers, &extensions));
    let none = HeaderMap::new();
    assert!(!Profile::stripe_v1().is_keyed(&Method::POST, &none, &extensions));
}

#[test]
fn a_key_in_flight_is_transient_and_says_nothing_about_health() {
    for profile in [Profile::stripe_v1(), Profile::stripe_v2(), Profile::ietf()] {
        let verdict = judge(&profile, 409, &[]).unwrap();
        assert_eq!(verdict.class, Class::Transient);
        assert_eq!(verdict.health, Health::Neutral);
        assert_eq!(verdict.sent, Sent::Maybe);
        assert_eq!(verdict.retry_after, Some(Duration::from_secs(1)));
        assert!(!verdict.veto);
    }
    assert_eq!(judge(&Profile::adyen(), 409, &[]), None);
}

#[test]
fn our_own_inbound_side_is_in_flight_only_while_it_says_how_long_to_wait() {
    let verdict = judge(&Profile::buttress(), 409, &[("retry-after", "1")]).unwrap();
    assert_eq!(verdict.class, Class::Transient);
    assert_eq!(verdict.health, Health::Neutral);
    assert_eq!(verdict.retry_after, Some(Duration::from_secs(1)));

    // The outcome is unknown: nobody runs it, and no wait changes that.
    assert_eq!(judge(&Profile::buttress(), 409, &[]), None);
    let marked = [("retry-after", "1"), ("idempotent-replayed", "true")];
    let verdict = judge(&Profile::buttress(), 409, &marked).unwrap();
    assert_eq!(verdict.class, Class::Permanent);
}

#[test]
fn a_key_in_flight_heeds_the_servers_own_words() {
    let stripe = Profile::stripe_v1();
    let patient = judge(&stripe, 409, &[("retry-after", "7")]).unwrap();
    assert_eq!(patient.retry_after, Some(Duration::from_secs(7)));
    assert!(
        judge(&stripe, 409, &[("stripe-should-retry", "false")])
            .unwrap()
            .veto
    );
}

#[test]
fn a_replayed_failure_is_final_and_neutral() {
    let stripe = Profile::stripe_v1();
    // 409 among them: under the marker it is a stored answer, not a request in flight.
    for status in [400, 402, 408, 409, 429, 500, 503] {
        let verdict = judge(&stripe, status, &[("Idempotent-Replayed", "TRUE")]).unwrap();
        assert_eq!(verdict.class, Class::Permanent, "{status}");
        assert_eq!(verdict.health, Health::Neutral, "{status}");
        assert_eq!(verdict.sent, Sent::Maybe, "{status}");
    }
    assert_eq!(
        judge(&stripe, 200, &[("idempotent-replayed", "true")]),
        None
    );
    assert_eq!(
        judge(&stripe, 500, &[("idempotent-replayed", "false")]),
        None
    );
    assert_eq!(
        judge(&Profile::adyen(), 500, &[("idempotent-replayed", "true")]),
        None
    );
}

#[test]
fn a_certified_status_is_unsent_and_else_what_http_says() {
    let stripe = Profile::stripe_v1();
    for status in [401, 429] {
        let response = Response::builder()
            .status(status)
            .header("retry-after", "3")
            .body(())
            .unwrap();
        let plain = HttpClassifier.classify(Ok(&response)).unwrap();
        assert_eq!(plain.sent, Sent::Maybe);
        assert_eq!(stripe.classify(Ok(&response)), Some(plain.unsent()));
        assert_eq!(Profile::adyen().classify(Ok(&response)), None);
    }
}

#[test]
fn everything_else_is_left_to_the_next_classifier() {
    let stripe = Profile::stripe_v1();
    for status in [200, 201, 204, 302, 400, 402, 403, 404, 422, 500, 502, 503] {
        assert_eq!(judge(&stripe, status, &[]), None, "{status}");
    }
    let error: buttress_classify::BoxError = "broken".into();
    assert_eq!(
        Classify::<Response<()>>::classify(&stripe, Err(&*error)),
        None
    );
}

#[test]
fn contradictions_are_refused() {
    let conflict = StatusCode::CONFLICT;
    let refused = |builder: ProfileBuilder| builder.build().unwrap_err();
    assert_eq!(refused(acme().methods([])), InvalidProfile::NoMethod);
    assert_eq!(refused(acme().length(0, 9)), InvalidProfile::Length);
    assert_eq!(refused(acme().length(9, 8)), InvalidProfile::Length);
    assert_eq!(refused(acme().length(1, 256)), InvalidProfile::Length);
    assert_eq!(
        refused(acme().charset(Charset::EMPTY)),
        InvalidProfile::NoCharacter
    );
    assert_eq!(
        refused(acme().in_flight([conflict]).mismatch([conflict])),
        InvalidProfile::Ambiguous(conflict)
    );
    assert_eq!(
        refused(acme().in_flight([conflict]).unexecuted([conflict])),
        InvalidProfile::Ambiguous(conflict)
    );
    assert_eq!(
        refused(acme().unexecuted([StatusCode::OK])),
        InvalidProfile::NoFailure
    );
    assert_eq!(
        refused(acme().in_flight([StatusCode::ACCEPTED])),
        InvalidProfile::NoFailure
    );
    assert_eq!(
        refused(acme().mismatch([StatusCode::FOUND])),
        InvalidProfile::NoFailure
    );
    let forgetful = Profile::custom(
        "acme",
        HeaderName::from_static("k"),
        Stores::Executed,
        Duration::ZERO,
    );
    assert_eq!(refused(forgetful), InvalidProfile::NoRetention);
    let body = Profile::custom_in_body("acme", "key", Stores::Executed, DAY).syntax(Syntax::Quoted);
    assert_eq!(refused(body), InvalidProfile::QuotedInBody);
    let nowhere = Profile::custom_in_body("acme", "", Stores::Executed, DAY);
    assert_eq!(refused(nowhere), InvalidProfile::NoField);
}

#[test]
fn a_custom_profile_promises_what_was_declared() {
    let profile = acme()
        .methods([Method::PUT])
        .syntax(Syntax::Quoted)
        .length(2, 9)
        .in_flight([StatusCode::LOCKED])
        .mismatch([StatusCode::CONFLICT])
        .unexecuted([StatusCode::SERVICE_UNAVAILABLE])
        .replay(HeaderName::from_static("acme-again"), "yes")
        .build()
        .unwrap();
    assert!(profile.covers(&Method::PUT) && !profile.covers(&Method::POST));
    assert_eq!(profile.header().unwrap(), "acme-key");
    assert!(
        profile.is_in_flight(StatusCode::LOCKED) && !profile.is_in_flight(StatusCode::CONFLICT)
    );
    assert!(profile.is_mismatch(StatusCode::CONFLICT));
    assert_eq!(judge(&profile, 503, &[]).unwrap().sent, Sent::No);
    assert_eq!(
        judge(&profile, 503, &[("acme-again", "yes")])
            .unwrap()
            .reason,
        "replayed"
    );
    assert_eq!(judge(&profile, 423, &[]).unwrap().reason, "key_in_flight");
    assert_eq!(profile, profile.clone());
}

#[test]
fn a_profile_equals_its_twin_and_no_other() {
    assert_eq!(Profile::stripe_v1(), Profile::stripe_v1());
    assert_ne!(Profile::stripe_v1(), Profile::stripe_v2());
    assert_eq!(acme().build(), acme().build());
    assert_ne!(acme().build(), acme().length(1, 9).build());

    let longer = Profile::paypal().with_retention(72 * HOUR);
    assert_eq!(longer.retention(), 72 * HOUR);
    assert_eq!(longer.header(), Profile::paypal().header());
    assert_ne!(longer, Profile::paypal());
    assert_eq!(longer.with_retention(6 * HOUR), Profile::paypal());
}
