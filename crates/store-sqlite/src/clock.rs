use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Wall-clock time as it was at open, and from then on as fast as the monotonic clock: a wall clock
/// that is set while the store is open ends no lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    at_open: Duration,
    opened: Instant,
}

impl Clock {
    pub(crate) fn new(wall: SystemTime) -> Self {
        let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH);
        Self {
            at_open: since_epoch.unwrap_or_default(),
            opened: Instant::now(),
        }
    }

    /// Since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        self.at_open.saturating_add(self.opened.elapsed())
    }
}
