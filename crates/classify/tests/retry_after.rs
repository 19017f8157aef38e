//! Every form of a server's wish to be left alone, and garbage.

use std::time::{Duration, SystemTime};

use buttress_classify::{retry_after, retry_after_by};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

/// 06 Nov 1994 08:49:37 GMT.
const NOV_6: Duration = Duration::from_secs(784_111_777);

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn wait(value: &str) -> Option<Duration> {
    retry_after(&headers(&[("retry-after", value)]))
}

#[test]
fn seconds_are_read() {
    assert_eq!(wait("0"), Some(Duration::ZERO));
    assert_eq!(wait("120"), Some(Duration::from_secs(120)));
    assert_eq!(wait("  7\t"), Some(Duration::from_secs(7)));
    assert_eq!(wait("007"), Some(Duration::from_secs(7)));
}

#[test]
fn a_fraction_is_read_and_rounded_up() {
    assert_eq!(wait("2.5"), Some(Duration::from_millis(2500)));
    assert_eq!(wait("0.000000001"), Some(Duration::from_nanos(1)));
    assert_eq!(wait("0.0000000001"), Some(Duration::from_nanos(1)));
    assert_eq!(wait("0.9999999999"), Some(Duration::from_secs(1)));
    assert_eq!(wait("1.000000000000"), Some(Duration::from_secs(1)));
}

#[test]
fn huge_numbers_saturate() {
    let most = Some(Duration::from_secs(u64::MAX));
    assert_eq!(wait("18446744073709551615"), most);
    assert_eq!(wait("18446744073709551616"), most);
    assert_eq!(wait(&"9".repeat(4096)), most);
    assert_eq!(
        wait(&format!("{}.9999999999", u64::MAX)),
        Some(Duration::MAX)
    );
}

#[test]
fn all_three_forms_of_a_date_are_read() {
    for date in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        let fields = [
            ("retry-after", date),
            ("date", "Sun, 06 Nov 1994 08:49:07 GMT"),
        ];
        assert_eq!(
            retry_after(&headers(&fields)),
            Some(Duration::from_secs(30)),
            "{date}"
        );
    }
}

#[test]
fn a_date_is_measured_against_the_responses_own() {
    for date in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        let fields = [
            ("retry-after", "Sun, 06 Nov 1994 09:49:37 GMT"),
            ("date", date),
        ];
        let unasked = || unreachable!("the response's own date stands there");
        let wait = retry_after_by(&headers(&fields), unasked);
        assert_eq!(wait, Some(Duration::from_secs(3600)));
    }
}

#[test]
fn without_a_readable_date_the_clock_is_asked() {
    let clock = || SystemTime::UNIX_EPOCH + NOV_6 - Duration::from_millis(1500);
    let date = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
    for fields in [vec![date], vec![date, ("date", "yesterday")]] {
        assert_eq!(
            retry_after_by(&headers(&fields), clock),
            Some(Duration::from_millis(1500))
        );
    }
}

#[test]
fn the_systems_clock_is_the_default() {
    let soon = SystemTime::now() + Duration::from_secs(100);
    let wait = wait(&httpdate::fmt_http_date(soon)).unwrap();
    assert!((95..=100).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn a_date_in_the_past_is_zero() {
    assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
}

#[test]
fn milliseconds_are_read() {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        assert_eq!(
            retry_after(&headers(&[(name, "857")])),
            Some(Duration::from_millis(857))
        );
        assert_eq!(
            retry_after(&headers(&[(name, "0.5")])),
            Some(Duration::from_micros(500))
        );
        assert_eq!(retry_after(&headers(&[(name, "-1")])), None);
        assert_eq!(
            retry_after(&headers(&[(name, "99999999999999999999999")])),
            Some(Duration::from_millis(u64::MAX))
        );
    }
}

#[test]
fn of_several_hints_the_longest_wins() {
    let fields = [("retry-after", "1"), ("retry-after-ms", "857")];
    assert_eq!(retry_after(&headers(&fields)), Some(Duration::from_secs(1)));
    let fields = [("retry-after", "0"), ("retry-after-ms", "857")];
    assert_eq!(
        retry_after(&headers(&fields)),
        Some(Duration::from_millis(857))
    );
    let fields = [
        ("retry-after", "5"),
        ("retry-after", "garbage"),
        ("retry-after", "9"),
    ];
    assert_eq!(retry_after(&headers(&fields)), Some(Duration::from_secs(9)));
}

#[test]
fn garbage_is_ignored() {
    for value in [
        "",
        " ",
        "-1",
        "+1",
        "1e3",
        "0x10",
        "1,000",
        "1 2",
        ".",
        ".5",
        "5.",
        "1.2.3",
        "5s",
        "NaN",
        "inf",
        "tomorrow",
        "Sun, 06 Nov",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 2094 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "1994-11-06T08:49:37Z",
        "٣",
    ] {
        let mut fields = HeaderMap::new();
        fields.insert(
            "retry-after",
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
        assert_eq!(retry_after(&fields), None, "{value:?}");
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        wait in "[ -~\\x80-\\xff\\t]{0,40}|[0-9]{0,30}\\.?[0-9]{0,30}",
        date in proptest::option::of("[ -~]{0,40}"),
        millis in proptest::option::of("[0-9.+-]{0,40}"),
    ) {
        let mut fields = HeaderMap::new();
        for (name, value) in [("retry-after", Some(wait)), ("date", date), ("retry-after-ms", millis)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
                fields.insert(name, value);
            }
        }
        let _ = retry_after(&fields);
    }

    #[test]
    fn whoever_waits_this_long_is_never_early(
        whole in 0..u64::MAX,
        fraction in proptest::option::of("[0-9]{1,12}"),
        (name, scale) in prop_oneof![Just(("retry-after", 1_000)), Just(("retry-after-ms", 1_000_000))],
    ) {
        let value = match &fraction {
            Some(fraction) => format!("{whole}.{fraction}"),
            None => whole.to_string(),
        };
        let wait = retry_after(&headers(&[(name, &value)])).unwrap();

        // Both in units of 10^-12 of the field's own unit, of which `scale` make a nanosecond.
        let fraction = format!("{:0<12}", fraction.unwrap_or_default());
        let asked = u128::from(whole) * 1_000_000_000_000 + fraction.parse::<u128>().unwrap();
        let given = wait.as_nanos() * scale;
        prop_assert!(given >= asked, "{wait:?} for {value}");
        prop_assert!(given - asked < scale, "{wait:?} for {value} is more than rounded up");
    }

    #[test]
    fn a_date_is_never_read_as_earlier(ahead in 0_u64..4_000_000_000, skew in 0_u64..1_000_000_000) {
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(skew);
        let then = sent + Duration::from_secs(ahead);
        let fields = headers(&[
            ("date", &httpdate::fmt_http_date(sent)),
            ("retry-after", &httpdate::fmt_http_date(then)),
        ]);
        prop_assert_eq!(retry_after(&fields), Some(Duration::from_secs(ahead)));
    }
}
