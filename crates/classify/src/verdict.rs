use std::time::Duration;

/// What the outcome of one attempt means to those who may try again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// It worked.
    Success,
    /// It failed, and the same request may work later.
    Transient,
    /// The peer asked for fewer requests.
    Throttled,
    /// It failed, and the same request will fail again.
    Permanent,
}

/// Could the peer have begun work?
///
/// Ordered, so that the maximum over an operation's attempts is the operation's own answer.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Sent {
    /// Provably not: no byte of the request was processed.
    #[default]
    No,
    /// It may have.
    Maybe,
}

/// What the outcome of one attempt says about the peer's health: all that a circuit breaker reads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Health {
    /// The peer does its work, even if the answer was no.
    Good,
    /// The peer failed.
    Bad,
    /// The peer works, and asks for fewer requests.
    Throttled,
    /// It says nothing about the peer: the caller's own error, or a refusal on this side.
    Neutral,
}

/// What one attempt's outcome says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Verdict {
    /// For those who may try again.
    pub class: Class,
    /// Could the peer have begun work?
    pub sent: Sent,
    /// For a circuit breaker.
    pub health: Health,
    /// The peer's own wish: not before this much time has passed.
    pub retry_after: Option<Duration>,
    /// The peer forbade another attempt, whatever the class.
    pub veto: bool,
    /// A short, constant name of what was seen, for telemetry (`connect`, `reset`, `503`).
    pub reason: &'static str,
}

impl Verdict {
    /// A success: may have been sent, healthy.
    pub const fn success() -> Self {
        Self::new(Class::Success, Sent::Maybe, Health::Good, "success")
    }

    /// A transient failure of a peer that may have begun work: unhealthy.
    pub const fn transient(reason: &'static str) -> Self {
        Self::new(Class::Transient, Sent::Maybe, Health::Bad, reason)
    }

    /// The peer asked for fewer requests; it may have begun work all the same.
    pub const fn throttled(reason: &'static str) -> Self {
        Self::new(Class::Throttled, Sent::Maybe, Health::Throttled, reason)
    }

    /// A *response* that will not change: the peer is healthy, its answer is no.
    pub const fn rejected(reason: &'static str) -> Self {
        Self::new(Class::Permanent, Sent::Maybe, Health::Good, reason)
    }

    /// An *error* that will not change, or that nobody knows: unhealthy.
    pub const fn permanent(reason: &'static str) -> Self {
        Self::new(Class::Permanent, Sent::Maybe, Health::Bad, reason)
    }

    /// A refusal on this side, before anything was sent: says nothing about the peer.
    pub const fn refused(reason: &'static str) -> Self {
        Self::new(Class::Permanent, Sent::No, Health::Neutral, reason)
    }

    const fn new(class: Class, sent: Sent, health: Health, reason: &'static str) -> Self {
        Self {
            class,
            sent,
            health,
            retry_after: None,
            veto: false,
            reason,
        }
    }

    /// The same, provably never processed by the peer.
    pub const fn unsent(mut self) -> Self {
        self.sent = Sent::No;
        self
    }

    /// The same, with this to say to a circuit breaker.
    pub const fn with_health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// The same, with the peer's wish to be left alone for `after`.
    pub const fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The same, with another attempt forbidden.
    pub const fn vetoed(mut self) -> Self {
        self.veto = true;
        self
    }
}
