//! Settings that do not go together are refused with a name.

use std::time::Duration;

use buttress_circuit_breaker::{BuildError, CircuitBreakerLayer};

use crate::peer::{millis, secs, some};

#[test]
fn settings_that_could_never_work_are_refused() {
    let any = CircuitBreakerLayer::any;
    let cases = [
        (any().failure_ratio(0.0), BuildError::RatioOutOfRange),
        (any().failure_ratio(1.01), BuildError::RatioOutOfRange),
        (any().failure_ratio(f64::NAN), BuildError::RatioOutOfRange),
        (any().slow_calls(secs(1), -1.0), BuildError::RatioOutOfRange),
        (any().slow_calls(secs(0), 0.5), BuildError::ZeroDuration),
        (any().open_for(Duration::ZERO), BuildError::ZeroDuration),
        (
            any().probe_timeout(Duration::ZERO),
            BuildError::ZeroDuration,
        ),
        (any().open_for(secs(301)), BuildError::MaxOpenTooShort),
        (any().no_time_window(), BuildError::NoWindow),
        (any().time_window(millis(9)), BuildError::TimeWindowTooShort),
        (any().count_window(some(19)), BuildError::MinimumUnreachable),
        (
            any().count_window(some(u32::MAX)),
            BuildError::CountWindowTooLarge,
        ),
        (
            any().no_consecutive_failures().no_failure_ratio(),
            BuildError::NeverOpens,
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(builder.build().unwrap_err(), expected);
        assert!(!expected.to_string().is_empty());
    }
}

#[test]
fn settings_at_their_limits_work() {
    let any = CircuitBreakerLayer::any;
    for builder in [
        any(),
        any().failure_ratio(1.0),
        any().failure_ratio(f64::MIN_POSITIVE),
        any().time_window(millis(10)),
        any().time_window(Duration::MAX),
        any().count_window(some(20)),
        any().count_window(some(1 << 20)),
        any().open_for(secs(300)),
        any().max_open(Duration::MAX).open_for(Duration::MAX),
        any().probe_timeout(Duration::MAX),
        any().probes(some(u32::MAX)),
        any().no_failure_ratio().no_time_window(),
    ] {
        assert!(builder.build().is_ok());
    }
}
