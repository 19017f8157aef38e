//! What buyers do that a shop wishes they did not: drawn from the seed, for each order.

use std::time::Duration;

use fastrand::Rng;

/// The longest that one waits who hangs up.
const LONGEST_PATIENCE_MS: u64 = 400;

/// How a buyer places an order. All but `Keyless` send an `Idempotency-Key`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Habit {
    /// Hangs up after so long without an answer, and sends the same again.
    HangsUp(Duration),
    /// Sends no key, and asks once more in the end.
    Keyless,
    /// Sends it once.
    Plain,
    /// Sends it three times at once.
    Races,
    /// Sends it again when it is settled; then something else under the same key.
    Repeats,
}

impl Habit {
    /// The habit of whoever places this order: of ten, three hang up, two race, two repeat, and one
    /// has no key.
    pub(super) fn of(order_id: &str, seed: u64) -> Self {
        let mut random = Rng::with_seed(order_id.bytes().fold(seed, |seed, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }));
        match random.u8(..10) {
            0..3 => Self::HangsUp(Duration::from_millis(random.u64(..=LONGEST_PATIENCE_MS))),
            3..5 => Self::Races,
            5..7 => Self::Repeats,
            7 => Self::Keyless,
            _ => Self::Plain,
        }
    }

    pub(super) const fn has_key(self) -> bool {
        !matches!(self, Self::Keyless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_brings_the_same_habits_and_all_of_them() {
        let habits = |seed| {
            let ids = (1..=200).map(|number| format!("order-{number:04}"));
            ids.map(|id| Habit::of(&id, seed)).collect::<Vec<_>>()
        };
        assert_eq!(habits(7), habits(7));
        assert_ne!(habits(7), habits(8));
        for habit in [Habit::Keyless, Habit::Plain, Habit::Races, Habit::Repeats] {
            assert!(habits(7).contains(&habit), "{habit:?}");
        }
        let hangs_up = |habit: &Habit| matches!(habit, Habit::HangsUp(_));
        assert!(habits(7).iter().any(hangs_up));
    }
}
