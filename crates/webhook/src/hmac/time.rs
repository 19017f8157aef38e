use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderName;

use crate::Refused;

/// Where a sender says when it signed, and how far from now that may be.
#[derive(Clone, Debug)]
pub struct Timestamp {
    pub(super) place: Place,
    millis: bool,
    pub(super) window: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A header of its own.
    Header(HeaderName),
    /// A number among the top-level members of a JSON body.
    Member(Cow<'static, str>),
    /// A pair in the signature's header.
    Pair,
}

impl Timestamp {
    /// A header of seconds since 1970, at most 5 minutes from now in either direction.
    #[must_use]
    pub const fn header(name: HeaderName) -> Self {
        Self::at(Place::Header(name))
    }

    /// A pair in the signature's header; see [`Signature::pairs`](crate::Signature::pairs).
    #[must_use]
    pub const fn pair() -> Self {
        Self::at(Place::Pair)
    }

    /// A number in the JSON body, at its top level.
    pub fn member(name: impl Into<Cow<'static, str>>) -> Self {
        Self::at(Place::Member(name.into()))
    }

    const fn at(place: Place) -> Self {
        Self {
            place,
            millis: false,
            window: Some(Duration::from_secs(300)),
        }
    }

    /// Counts in milliseconds. Default: seconds.
    #[must_use]
    pub const fn millis(mut self) -> Self {
        self.millis = true;
        self
    }

    /// Sets how far the signed time may lie from now, in either direction. Default: 5 minutes.
    #[must_use]
    pub const fn within(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// The time that a number means, if that is near enough to now.
    ///
    /// Now is cut to the unit in which the sender counts, so that a window of 300 s ends after 300 s.
    #[inline]
    pub(super) fn check(
        &self,
        number: u64,
        window: Option<Duration>,
        now: SystemTime,
    ) -> Result<SystemTime, Refused> {
        let distance = number.abs_diff(self.number(now));
        if window.is_some_and(|window| distance > self.count(window)) {
            return Err(Refused::Stale);
        }
        let signed = if self.millis {
            Duration::from_millis(number)
        } else {
            Duration::from_secs(number)
        };
        UNIX_EPOCH.checked_add(signed).ok_or(Refused::Stale)
    }

    /// Now, as this sender would write it.
    #[inline]
    pub(super) fn number(&self, now: SystemTime) -> u64 {
        self.count(since_epoch(now))
    }

    /// How many whole units of this sender's there are in a time.
    #[inline]
    fn count(&self, time: Duration) -> u64 {
        if self.millis {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        } else {
            time.as_secs()
        }
    }
}

#[inline]
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The signed time as a time, unless it is farther from now than the window.
pub(crate) fn near(
    signed: Duration,
    now: Duration,
    window: Option<Duration>,
) -> Result<SystemTime, Refused> {
    if window.is_some_and(|window| signed.abs_diff(now) > window) {
        return Err(Refused::Stale);
    }
    UNIX_EPOCH.checked_add(signed).ok_or(Refused::Stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_reaches_both_ways_and_its_ends_belong_to_it() {
        let timestamp = Timestamp::pair();
        let window = timestamp.window;
        let at = |now: u64| {
            let now = UNIX_EPOCH + Duration::from_secs(now) + Duration::from_millis(900);
            timestamp.check(1_000, window, now).is_ok()
        };
        assert!(!at(699));
        assert!(at(700));
        assert!(at(1_300));
        assert!(!at(1_301));
    }

    #[test]
    fn milliseconds_are_compared_as_such() {
        let timestamp = Timestamp::pair().millis();
        let window = Some(Duration::from_secs(1));
        let now = UNIX_EPOCH + Duration::from_secs(2);
        assert!(timestamp.check(1_000, window, now).is_ok());
        assert_eq!(timestamp.check(999, window, now), Err(Refused::Stale));
        assert_eq!(timestamp.check(3_001, window, now), Err(Refused::Stale));
    }

    #[test]
    fn times_at_the_ends_of_the_world_do_not_overflow() {
        let timestamp = Timestamp::pair();
        for number in [0, u64::MAX] {
            for now in [UNIX_EPOCH, UNIX_EPOCH - Duration::from_secs(1)] {
                let _ = timestamp.check(number, None, now);
                let _ = timestamp.check(number, timestamp.window, now);
            }
        }
    }
}
