/// What an acknowledged completion survives.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Durability {
    /// Nothing: records live and die with the process.
    Process,
    /// The sudden death of the process, not of the machine.
    Crash,
    /// The loss of power.
    PowerLoss,
}

/// What a store can do beyond the law that binds them all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What an acknowledged completion survives.
    pub durability: Durability,
    /// Whether several processes share its records.
    pub shared: bool,
    /// Whether those who [`wait`](crate::IdempotencyStore::wait) are woken, and need not poll.
    pub wakes: bool,
}

impl Capabilities {
    /// This durability, and nothing else.
    #[must_use]
    pub const fn new(durability: Durability) -> Self {
        Self {
            durability,
            shared: false,
            wakes: false,
        }
    }

    /// The same, shared by several processes.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// The same, waking those who wait.
    #[must_use]
    pub const fn waking(mut self) -> Self {
        self.wakes = true;
        self
    }
}
