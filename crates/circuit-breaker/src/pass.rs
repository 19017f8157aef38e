//! What goes out with a call, and what comes back.

use std::time::Duration;

/// The right to make one call, and what must be shown to settle it. One word: every call carries it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pass(u64);

impl Pass {
    /// Nobody wants to know how it ends.
    pub(crate) const UNTRACKED: Self = Self(u64::MAX);
    /// Set for probes; no generation ever reaches it.
    const PROBE: u64 = 1 << 60;

    /// For a call of this generation: its outcome means nothing to a later one.
    #[inline]
    pub(crate) const fn call(generation: u64) -> Self {
        Self(generation)
    }

    /// For a half-open probe; its serial number is unique among all of the machine's.
    pub(crate) const fn probe(serial: u64) -> Self {
        Self(serial | Self::PROBE)
    }

    /// The pass in one word; that of an ordinary call is its generation.
    #[inline]
    pub(crate) const fn word(self) -> u64 {
        self.0
    }

    /// The generation of an ordinary call.
    #[inline]
    pub(crate) const fn generation(self) -> Option<u64> {
        if self.0 & Self::PROBE == 0 {
            Some(self.0)
        } else {
            None
        }
    }
}

/// The circuit lets no call through, and will not before this much time (unknown where forced).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) retry_after: Option<Duration>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) health: Health,
    pub(crate) slow: bool,
    /// The peer's wish to be left alone for so long.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Health {
    Bad,
    Good,
    Neutral,
    Throttled,
}

impl Outcome {
    pub(crate) const fn new(health: Health) -> Self {
        Self {
            health,
            slow: false,
            retry_after: None,
        }
    }
}
