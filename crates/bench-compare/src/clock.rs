//! Time: batches of calls in turns, compared within each turn.

use std::time::Duration;

use tokio::time::Instant;

use crate::stats::Spread;

/// Runs a batch of calls, and says how long they took.
pub type Batch<'a> = Box<dyn FnMut() -> Duration + 'a>;

/// A batch of so many calls of `call`.
pub fn batch<'a>(calls: usize, mut call: impl FnMut() + 'a) -> Batch<'a> {
    Box::new(move || {
        let begun = Instant::now();
        for _ in 0..calls {
            call();
        }
        begun.elapsed()
    })
}

/// What a call of one batch takes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Nanoseconds, in the middle of all rounds.
    pub nanos: f64,
    /// Nanoseconds more than the first batch of the same round.
    pub over: f64,
    /// How many times as long as the first batch of the same round.
    pub ratio: Spread,
}

/// What a call of each batch took, round by round.
#[derive(Clone, Debug)]
pub struct Rounds(Vec<Vec<f64>>);

/// Times all batches in turns, `rounds` times; each makes `calls` calls.
///
/// A machine that is slow for a while is slow for all batches of a round, so ratios within a round
/// hold where times do not. Each round begins with another batch, so that none always comes first.
pub fn interleave(batches: &mut [Batch<'_>], rounds: usize, calls: usize) -> Rounds {
    let mut times = vec![Vec::with_capacity(rounds); batches.len()];
    for batch in batches.iter_mut() {
        batch();
    }
    for round in 0..rounds {
        for turn in 0..batches.len() {
            let index = (round + turn) % batches.len();
            let took = batches[index]();
            times[index].push(per_call(took.as_nanos(), calls));
        }
    }
    Rounds(times)
}

impl Rounds {
    /// The calm ones: the tenth in which the first batch was quickest, whatever the others were.
    ///
    /// A ratio does not hold within a round if a neighbour on the same core slows one batch, which waits for
    /// the processor's units, and hardly the other, which waits for itself.
    #[must_use]
    pub fn calm(&self) -> Self {
        let base = self.base();
        let mut rounds: Vec<usize> = (0..base.len()).collect();
        rounds.sort_by(|one, other| base[*one].total_cmp(&base[*other]));
        rounds.truncate(base.len().div_ceil(10));
        let calm = |times: &Vec<f64>| rounds.iter().map(|round| times[*round]).collect();
        Self(self.0.iter().map(calm).collect())
    }

    /// What a call of each batch took, compared with the first.
    #[must_use]
    pub fn timings(&self) -> Vec<Timing> {
        let base = self.base();
        let timing = |times: &Vec<f64>| Timing {
            nanos: Spread::of(times.iter().copied()).median,
            over: Spread::of(times.iter().zip(base).map(|(of, to)| of - to)).median,
            ratio: Spread::of_ratios(times, base),
        };
        self.0.iter().map(timing).collect()
    }

    fn base(&self) -> &[f64] {
        self.0.first().map_or(&[], Vec::as_slice)
    }
}

#[allow(clippy::cast_precision_loss, reason = "below 2^52: a month")]
fn per_call(nanos: u128, calls: usize) -> f64 {
    nanos as f64 / calls as f64
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn batches_take_turns_and_each_begins_once() {
        let order = RefCell::new(String::new());
        let mut batches: Vec<Batch<'_>> = ["a", "b", "c"]
            .into_iter()
            .map(|name| batch(1, || order.borrow_mut().push_str(name)))
            .collect();
        let timings = interleave(&mut batches, 3, 1).timings();
        drop(batches);

        assert_eq!(order.into_inner(), "abc abc bca cab".replace(' ', ""));
        assert_eq!(timings.len(), 3);
        assert_eq!(timings[0].ratio.median, 1.0);
        assert_eq!(timings[0].over, 0.0);
    }

    #[test]
    fn rounds_are_calm_in_which_the_first_batch_was_quickest() {
        fn told(nanos: Vec<u64>) -> Batch<'static> {
            let mut nanos = nanos.into_iter();
            Box::new(move || Duration::from_nanos(nanos.next().unwrap()))
        }
        // The first of each is the one before the rounds.
        let (mut base, mut other) = (vec![50; 21], vec![60; 21]);
        (base[3], base[8]) = (10, 20);
        (other[3], other[8], other[9], other[10]) = (30, 70, 10, 150);
        let rounds = interleave(&mut [told(base), told(other)], 20, 1);
        assert_eq!(rounds.timings()[1].ratio.median, 1.2);
        let calm = rounds.calm().timings()[1];
        assert_eq!((calm.nanos, calm.over), (50.0, 35.0));
        assert_eq!((calm.ratio.least, calm.ratio.most), (3.0, 3.5));
    }
}
