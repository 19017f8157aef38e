use std::time::Duration;

use buttress_deadline::Deadline;
use tokio::time::Instant;

/// A length of time: half the size of a [`Duration`], for it moves with every call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    seconds: u32,
    nanos: u32,
}

/// When a call ends: at its own limit, which runs from the first wait, or at an outer deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    limit: Span,
    idle: Span,
    end: End,
}

/// What is known of a call's end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The clock does not run yet, and nobody else ends the call.
    Open,
    /// The clock does not run yet; the call ends at this outer deadline, or before.
    AtLatest(Deadline),
    /// The clock runs.
    Set(Deadline, Cut),
}

/// Who ends a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cut {
    Deadline,
    Limit,
}

impl Span {
    /// As good as no limit: 136 years.
    pub(crate) const NEVER: Self = Self {
        seconds: u32::MAX,
        nanos: 0,
    };

    pub(crate) const fn new(time: Duration) -> Self {
        if time.as_secs() < u32::MAX as u64 {
            #[allow(clippy::cast_possible_truncation, reason = "it fits")]
            return Self {
                seconds: time.as_secs() as u32,
                nanos: time.subsec_nanos(),
            };
        }
        Self::NEVER
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::new(self.seconds as u64, self.nanos)
    }

    fn after(self, now: Instant) -> Deadline {
        Deadline::at(now + self.duration())
    }
}

impl Clock {
    #[inline]
    pub(crate) const fn new(limit: Span, idle: Span) -> Self {
        Self {
            limit,
            idle,
            end: End::Open,
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
        self.end = match outer {
            Some(outer) => End::AtLatest(outer),
            None => End::Open,
        };
    }

    /// Who ends the call.
    pub(crate) const fn cut(&self) -> Cut {
        match self.end {
            End::Set(_, cut) => cut,
            End::Open | End::AtLatest(_) => Cut::Limit,
        }
    }

    /// When the call ends. The limit runs from `now` if it does not run yet.
    pub(crate) fn end(&mut self, now: Instant) -> Deadline {
        let own = self.limit.after(now);
        let (end, cut) = match self.end {
            End::Set(end, _) => return end,
            // At that instant whoever set the deadline is gone, and nobody would use another try.
            End::AtLatest(outer) if outer <= own => (outer, Cut::Deadline),
            End::Open | End::AtLatest(_) => (own, Cut::Limit),
        };
        self.end = End::Set(end, cut);
        end
    }

    /// When a wait for a frame that begins `now` is an idle one, if that is before the call ends.
    pub(crate) fn idle_end(&mut self, now: Instant) -> Option<Deadline> {
        let end = self.end(now);
        let idle = self.idle.after(now);
        (idle < end).then_some(idle)
    }
}
