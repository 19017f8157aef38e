#![doc = include_str!("../README.md")]

use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

/// How far away an instant can be that still counts as one: thirty years, far from every overflow.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// The instant by which a call must have ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline at `instant`.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The deadline `limit` after `now`; limits over thirty years count as thirty years.
    #[must_use]
    pub fn after(now: Instant, limit: Duration) -> Self {
        Self(now + limit.min(FAR))
    }

    /// The deadline that these extensions carry.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// The instant itself.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// The time left at `now`; zero once it has passed.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed at `now`; at the very instant it has.
    #[must_use]
    pub fn has_passed(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// The earlier of two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Ord::min(self, other)
    }

    /// Writes it into extensions, unless they carry an earlier one already.
    pub fn tighten(self, extensions: &mut Extensions) {
        match extensions.get_mut::<Self>() {
            Some(known) => *known = (*known).min(self),
            None => {
                extensions.insert(self);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_without_end_does_not_overflow() {
        let now = Instant::now();
        assert!(Deadline::after(now, Duration::MAX) > Deadline::after(now, Duration::from_secs(1)));
    }

    #[test]
    fn at_the_very_instant_it_has_passed_and_nothing_remains() {
        let now = Instant::now();
        let deadline = Deadline::after(now, Duration::from_secs(1));
        let then = deadline.instant();
        assert!(deadline.has_passed(then));
        assert!(!deadline.has_passed(then.checked_sub(Duration::from_nanos(1)).unwrap()));
        assert_eq!(deadline.remaining(then), Duration::ZERO);
    }

    #[test]
    fn an_earlier_deadline_is_never_made_later() {
        let now = Instant::now();
        let early = Deadline::after(now, Duration::from_secs(1));
        let late = Deadline::after(now, Duration::from_secs(2));
        let mut extensions = Extensions::new();

        late.tighten(&mut extensions);
        early.tighten(&mut extensions);
        late.tighten(&mut extensions);

        assert_eq!(Deadline::of(&extensions), Some(early));
        assert_eq!(late.min(early), early);
    }
}
