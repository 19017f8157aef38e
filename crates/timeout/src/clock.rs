use std::time::Duration;

use buttress_deadline::Deadline;
use tokio::time::Instant;

/// A length of time in nanoseconds: half the size of a [`Duration`], for it moves with every call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span(u64);

/// When a call ends: at its own limit, which runs from the first wait, or at an outer deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    limit: Span,
    idle: Span,
    /// The outer deadline; once the clock runs, the end of the call.
    end: Option<Deadline>,
    /// Set once the clock runs.
    cut: Option<Cut>,
}

/// Who ends a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    Deadline,
    Limit,
}

impl Span {
    /// As good as no limit: 584 years.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) const fn new(time: Duration) -> Self {
        let nanos = time.as_nanos();
        if nanos < u64::MAX as u128 {
            #[allow(clippy::cast_possible_truncation, reason = "it fits")]
            return Self(nanos as u64);
        }
        Self::NEVER
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    fn after(self, now: Instant) -> Deadline {
        Deadline::after(now, self.duration())
    }
}

impl Clock {
    #[inline]
    pub(crate) const fn new(limit: Span, idle: Span) -> Self {
        Self {
            limit,
            idle,
            end: None,
            cut: None,
        }
    }

    pub(crate) const fn limit(&self) -> Duration {
        self.limit.duration()
    }

    pub(crate) const fn idle(&self) -> Duration {
        self.idle.duration()
    }

    /// Ends the call at this deadline too; for a clock that does not run yet.
    pub(crate) const fn obey(&mut self, outer: Option<Deadline>) {
        self.end = outer;
    }

    /// Who ends the call.
    pub(crate) const fn cut(&self) -> Cut {
        match self.cut {
            Some(cut) => cut,
            None => Cut::Limit,
        }
    }

    /// When the call ends. The limit runs from `now` if it does not run yet.
    pub(crate) fn end(&mut self, now: Instant) -> Deadline {
        if let (Some(end), Some(_)) = (self.end, self.cut) {
            return end;
        }
        let own = self.limit.after(now);
        let (end, cut) = match self.end {
            // At that instant whoever set the deadline is gone, and nobody would use another try.
            Some(outer) if outer <= own => (outer, Cut::Deadline),
            _ => (own, Cut::Limit),
        };
        self.end = Some(end);
        self.cut = Some(cut);
        end
    }

    /// When a wait for a frame that begins `now` is an idle one, if that is before the call ends.
    pub(crate) fn idle_end(&mut self, now: Instant) -> Option<Deadline> {
        let end = self.end(now);
        let idle = self.idle.after(now);
        (idle < end).then_some(idle)
    }
}
