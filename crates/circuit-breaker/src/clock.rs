#[cfg(not(loom))]
use tokio::time::Instant;

use crate::moment::Moment;
#[cfg(not(loom))]
use crate::moment::nanos;

/// Tokio's clock, counted from the circuit's beginning.
#[derive(Debug)]
pub(crate) struct Clock {
    #[cfg(not(loom))]
    origin: Instant,
}

#[cfg(not(loom))]
impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        let elapsed = Instant::now().saturating_duration_since(self.origin);
        Moment::from_nanos(nanos(elapsed))
    }
}

/// Under the model checker time stands still.
#[cfg(loom)]
impl Clock {
    pub(crate) const fn new() -> Self {
        Self {}
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::default()
    }
}
