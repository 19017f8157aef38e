use std::num::NonZeroU32;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter};
use serde::Deserialize;

use crate::vectors::runner::same;

/// A schedule; times are milliseconds. Without a base it is constant.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Schedule {
    base_ms: u64,
    constant_ms: Option<u64>,
    factor: NonZeroU32,
    cap_ms: u64,
    jitter: Spread,
    around_percent: u8,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Spread {
    Around,
    Decorrelated,
    Equal,
    Full,
    None,
}

/// A schedule, and waits that it must give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waits {
    #[serde(default)]
    schedule: Schedule,
    waits: Vec<Expected>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    retry: u32,
    /// Where in the range that jitter leaves, from 0 to 1.
    #[serde(default)]
    random: f64,
    #[serde(default)]
    previous_ms: u64,
    wait_ms: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            base_ms: 1_000,
            constant_ms: None,
            factor: NonZeroU32::MIN.saturating_add(1),
            cap_ms: 20_000,
            jitter: Spread::None,
            around_percent: 0,
        }
    }
}

impl Schedule {
    pub(super) fn backoff(&self) -> Backoff {
        let jitter = match self.jitter {
            Spread::Around => Jitter::Around(self.around_percent),
            Spread::Decorrelated => Jitter::Decorrelated,
            Spread::Equal => Jitter::Equal,
            Spread::Full => Jitter::Full,
            Spread::None => Jitter::None,
        };
        let backoff = match self.constant_ms {
            Some(delay) => Backoff::constant(Duration::from_millis(delay)),
            None => Backoff::exponential(Duration::from_millis(self.base_ms))
                .factor(self.factor)
                .cap(Duration::from_millis(self.cap_ms)),
        };
        backoff.jitter(jitter)
    }
}

impl Waits {
    pub(super) fn check(&self) -> Result<(), String> {
        let backoff = self.schedule.backoff();
        for wait in &self.waits {
            let bits = bits(wait.random);
            let previous = Duration::from_millis(wait.previous_ms);
            let found = backoff.delay(wait.retry, previous, &move || bits);
            same(
                &format!("wait_ms before retry {}", wait.retry),
                &u128::from(wait.wait_ms),
                &rounded(found),
            )?;
        }
        Ok(())
    }
}

/// The random bits that fall at this part of a range; 1 is as near to its end as there is.
pub(super) fn bits(part: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "it saturates, and a vector needs no more precision"
    )]
    let bits = (part * u64::MAX as f64) as u64;
    bits
}

/// To whole milliseconds, the nearest.
pub(super) fn rounded(duration: Duration) -> u128 {
    (duration.as_nanos() + 500_000) / 1_000_000
}
