use std::num::NonZeroU32;
use std::time::Duration;

use crate::Random;
use crate::random::between;

/// A schedule of waits: by default exponential from 1 s, doubling, capped at 20 s, full jitter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Backoff {
    base: Duration,
    factor: NonZeroU32,
    cap: Duration,
    jitter: Jitter,
}

/// How a wait is spread, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Within this many percent of the ceiling, to either side; more than 100 counts as 100.
    Around(u8),
    /// Between the base and three times the previous wait, at most the cap.
    Decorrelated,
    /// In the upper half of `[0, ceiling)`.
    Equal,
    /// Anywhere in `[0, ceiling)`.
    Full,
    /// Exactly the ceiling.
    None,
}

impl Backoff {
    const CAP: Duration = Duration::from_secs(20);
    const DOUBLE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

    /// Waits `base` first and doubles it with each retry. Default cap: 20 s; default jitter: full.
    pub const fn exponential(base: Duration) -> Self {
        Self {
            base,
            factor: Self::DOUBLE,
            cap: Self::CAP,
            jitter: Jitter::Full,
        }
    }

    /// Waits `delay` each time. Default jitter: full.
    pub const fn constant(delay: Duration) -> Self {
        Self {
            base: delay,
            factor: NonZeroU32::MIN,
            cap: delay,
            jitter: Jitter::Full,
        }
    }

    /// Multiplies the wait by `factor` with each retry. Default: 2, or 1 where constant.
    pub const fn factor(mut self, factor: NonZeroU32) -> Self {
        self.factor = factor;
        self
    }

    /// Lets no ceiling exceed `cap`. Default: 20 s; the delay itself where constant.
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Spreads the waits. Default: [`Jitter::Full`].
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The wait before retry number `retry` (1 is the first; 0 counts as 1), before any jitter.
    #[must_use]
    pub fn ceiling(&self, retry: u32) -> Duration {
        let growth = self.factor.get().saturating_pow(retry.saturating_sub(1));
        self.base.saturating_mul(growth).min(self.cap)
    }

    /// The wait before retry number `retry` (1 is the first; 0 counts as 1).
    ///
    /// Only [`Jitter::Decorrelated`] reads `previous`, the wait before the retry before (zero at first).
    #[must_use]
    pub fn delay(
        &self,
        retry: u32,
        previous: Duration,
        random: &(impl Random + ?Sized),
    ) -> Duration {
        let ceiling = self.ceiling(retry);
        match self.jitter {
            Jitter::Around(percent) => {
                let spread = percent_of(ceiling, percent);
                between(
                    ceiling.saturating_sub(spread),
                    ceiling.saturating_add(spread),
                    random,
                )
            }
            Jitter::Decorrelated => {
                let base = self.base.min(self.cap);
                let upper = previous.max(base).saturating_mul(3);
                between(base, upper, random).min(self.cap)
            }
            Jitter::Equal => between(ceiling / 2, ceiling, random),
            Jitter::Full => between(Duration::ZERO, ceiling, random),
            Jitter::None => ceiling,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_secs(1))
    }
}

/// A wait that honours `hint` as a lower bound: anywhere in `[hint, 1.5 × hint)`, never less.
#[must_use]
pub fn spread(hint: Duration, random: &(impl Random + ?Sized)) -> Duration {
    between(hint, hint.saturating_add(hint / 2), random)
}

fn percent_of(duration: Duration, percent: u8) -> Duration {
    duration / 100 * u32::from(percent.min(100))
}
