use std::fmt;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter, Random, thread_random};

use crate::BuildError;
use crate::moment::nanos;
use crate::settings::{Settings, Slow};
use crate::window::BUCKETS;

const SHORTEST_WINDOW: Duration = Duration::from_millis(10);
const LARGEST_WINDOW: u32 = 1 << 20;

/// Settings as they were given, not yet held against each other.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) consecutive: Option<NonZeroU32>,
    pub(crate) failure_ratio: Option<f64>,
    pub(crate) slow: Option<(Duration, f64)>,
    pub(crate) minimum: NonZeroU32,
    pub(crate) time_window: Option<Duration>,
    pub(crate) count_window: Option<NonZeroU32>,
    pub(crate) count_throttled: bool,
    pub(crate) open_for: Duration,
    pub(crate) max_open: Duration,
    pub(crate) growth: NonZeroU32,
    pub(crate) jitter: Jitter,
    pub(crate) random: Arc<dyn Random + Send + Sync>,
    pub(crate) probes: NonZeroU32,
    pub(crate) probe_timeout: Duration,
    pub(crate) shadow: bool,
}

impl Draft {
    pub(crate) fn settings(&self) -> Result<Settings, BuildError> {
        let judges_ratio = self.failure_ratio.is_some() || self.slow.is_some();
        let ratios = [self.failure_ratio, self.slow.map(|(_, ratio)| ratio)];
        let in_range = |ratio: &f64| *ratio > 0.0 && *ratio <= 1.0;
        if !ratios.iter().flatten().all(in_range) {
            return Err(BuildError::RatioOutOfRange);
        }
        if self.consecutive.is_none() && !judges_ratio {
            return Err(BuildError::NeverOpens);
        }
        if judges_ratio && self.time_window.is_none() && self.count_window.is_none() {
            return Err(BuildError::NoWindow);
        }
        let durations = [self.open_for, self.probe_timeout];
        let slow_limit = self.slow.map(|(limit, _)| limit);
        if durations
            .into_iter()
            .chain(slow_limit)
            .any(|duration| duration.is_zero())
        {
            return Err(BuildError::ZeroDuration);
        }
        if self.max_open < self.open_for {
            return Err(BuildError::MaxOpenTooShort);
        }
        Ok(Settings {
            consecutive: self.consecutive,
            failure_ratio: self.failure_ratio,
            slow: self.slow.map(|(limit, ratio)| Slow { limit, ratio }),
            minimum: self.minimum,
            tick: self.tick()?.filter(|_| judges_ratio),
            count_window: self.count_window()?.filter(|_| judges_ratio),
            count_throttled: self.count_throttled,
            open: Backoff::exponential(self.open_for)
                .factor(self.growth)
                .cap(self.max_open)
                .jitter(self.jitter),
            max_open: self.max_open,
            probes: self.probes,
            probe_timeout: self.probe_timeout,
            shadow: self.shadow,
        })
    }

    fn tick(&self) -> Result<Option<NonZeroU64>, BuildError> {
        match self.time_window {
            None => Ok(None),
            Some(window) if window < SHORTEST_WINDOW => Err(BuildError::TimeWindowTooShort),
            Some(window) => Ok(NonZeroU64::new(nanos(window).div_ceil(BUCKETS as u64))),
        }
    }

    fn count_window(&self) -> Result<Option<NonZeroUsize>, BuildError> {
        match self.count_window {
            None => Ok(None),
            Some(calls) if calls.get() > LARGEST_WINDOW => Err(BuildError::CountWindowTooLarge),
            Some(calls) if calls < self.minimum => Err(BuildError::MinimumUnreachable),
            Some(calls) => Ok(NonZeroUsize::try_from(calls).ok()),
        }
    }
}

impl Default for Draft {
    fn default() -> Self {
        const ONE: NonZeroU32 = NonZeroU32::MIN;
        Self {
            consecutive: Some(ONE.saturating_add(4)),
            failure_ratio: Some(0.5),
            slow: None,
            minimum: ONE.saturating_add(19),
            time_window: Some(Duration::from_secs(30)),
            count_window: None,
            count_throttled: false,
            open_for: Duration::from_secs(30),
            max_open: Duration::from_secs(5 * 60),
            growth: ONE.saturating_add(1),
            jitter: Jitter::Around(10),
            random: Arc::new(thread_random),
            probes: ONE,
            probe_timeout: Duration::from_secs(30),
            shadow: false,
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("settings", &self.settings())
            .finish_non_exhaustive()
    }
}
