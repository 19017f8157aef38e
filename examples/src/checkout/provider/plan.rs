//! What goes wrong, and when: a pure function of the seed, the order and the attempt.

use clap::ValueEnum;

/// One way in which the provider misbehaves.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// 503 without a word about when to come back; nothing is executed.
    Unavailable,
    /// 503 with `Retry-After: 1`; nothing is executed.
    UnavailableFor,
    /// 429; nothing is executed.
    TooManyRequests,
    /// 500 before the charge; the 500 is stored under the key.
    FailsBeforeCharging,
    /// 500 after the charge; the 500 is stored under the key.
    FailsAfterCharging,
    /// The connection is reset before a byte of the request is read.
    ResetBeforeReading,
    /// The connection is reset after the charge.
    ResetAfterCharging,
    /// The charge takes longer than any caller waits; until then its key is in flight.
    Hangs,
    /// The answer's head comes at once, its body drop by drop.
    SlowBody,
    /// The connection ends in the middle of the answer's body.
    TruncatedBody,
}

impl Fault {
    /// Every kind, in the order of the report.
    pub const ALL: [Self; 10] = [
        Self::Unavailable,
        Self::UnavailableFor,
        Self::TooManyRequests,
        Self::FailsBeforeCharging,
        Self::FailsAfterCharging,
        Self::ResetBeforeReading,
        Self::ResetAfterCharging,
        Self::Hangs,
        Self::SlowBody,
        Self::TruncatedBody,
    ];

    /// Its name in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "503",
            Self::UnavailableFor => "503_retry_after",
            Self::TooManyRequests => "429",
            Self::FailsBeforeCharging => "500_before_charging",
            Self::FailsAfterCharging => "500_after_charging",
            Self::ResetBeforeReading => "reset_before_reading",
            Self::ResetAfterCharging => "reset_after_charging",
            Self::Hangs => "hang",
            Self::SlowBody => "slow_body",
            Self::TruncatedBody => "truncated_body",
        }
    }
}

/// How often things go wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Faults {
    /// Never.
    Off,
    /// In a fifth of the first attempts.
    Mild,
    /// In nine tenths of the first attempts, and in many of the next ones.
    Severe,
}

impl Faults {
    /// Percent of attempts that go wrong, by attempt; later ones than listed all go well.
    const fn percent(self) -> &'static [u64] {
        match self {
            Self::Off => &[],
            Self::Mild => &[20, 10, 5],
            Self::Severe => &[90, 60, 50, 40, 30, 20, 10],
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Mild => "mild",
            Self::Severe => "severe",
        }
    }
}

/// Which fault each attempt of each order meets.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The same attempts of every order: the first entry is the first attempt's. Later ones go well.
    Script(Vec<Option<Fault>>),
    /// Drawn from a seed.
    Seeded {
        /// The same seed gives the same plan.
        seed: u64,
        /// How much of it.
        faults: Faults,
    },
}

impl Plan {
    /// The fault of attempt number `attempt` (1 is the first) of `order`.
    #[must_use]
    pub fn fault(&self, order: &str, attempt: u32) -> Option<Fault> {
        let index = usize::try_from(attempt.checked_sub(1)?).ok()?;
        match self {
            Self::Script(faults) => faults.get(index).copied().flatten(),
            Self::Seeded { seed, faults } => {
                let percent = *faults.percent().get(index)?;
                let draw = draw(*seed, order, attempt);
                let kind = usize::try_from(draw / 100).unwrap_or_default() % Fault::ALL.len();
                (draw % 100 < percent).then(|| Fault::ALL[kind])
            }
        }
    }
}

impl Plan {
    /// Whether this mishap befalls the webhooks of `order`.
    pub(super) fn befalls(&self, order: &str, mishap: &str) -> bool {
        match self {
            Self::Script(_) => false,
            Self::Seeded { seed, faults } => {
                let percent = match faults {
                    Faults::Off => 0,
                    Faults::Mild => 15,
                    Faults::Severe => 40,
                };
                draw(*seed, &format!("{mishap} {order}"), 0) % 100 < percent
            }
        }
    }
}

/// 32 random bits that depend on all three (FNV-1a over the name, then the finalizer of `SplitMix64`).
fn draw(seed: u64, order: &str, attempt: u32) -> u64 {
    let name = order
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    let mut bits = name
        .wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(u64::from(attempt).wrapping_mul(0xd1b5_4a32_d192_ed03));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeded(seed: u64) -> Plan {
        Plan::Seeded {
            seed,
            faults: Faults::Severe,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
        let faults = |seed| {
            (1..=200)
                .map(|order| seeded(seed).fault(&format!("order-{order}"), 1))
                .collect::<Vec<_>>()
        };
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
    }

    #[test]
    fn a_severe_plan_brings_every_kind_often_enough_whatever_the_seed() {
        for seed in 0..2_000 {
            let plan = seeded(seed);
            let first = (1..=200).filter_map(|order| plan.fault(&format!("order-{order:04}"), 1));
            let mut seen = [0_u32; Fault::ALL.len()];
            for fault in first {
                seen[fault as usize] += 1;
            }
            assert!(
                seen.iter().all(|&times| times >= 3),
                "seed {seed}: {seen:?}"
            );
        }
    }

    #[test]
    fn every_order_comes_to_an_attempt_that_goes_well() {
        for seed in 0..100 {
            assert_eq!(seeded(seed).fault("order-0001", 8), None);
        }
    }

    #[test]
    fn a_script_is_the_same_for_every_order() {
        let plan = Plan::Script(vec![None, Some(Fault::Hangs)]);
        assert_eq!(plan.fault("a", 1), None);
        assert_eq!(plan.fault("b", 2), Some(Fault::Hangs));
        assert_eq!(plan.fault("b", 3), None);
    }
}
