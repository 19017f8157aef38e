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
    /// Nanoseconds, in the middle of the calm rounds.
    pub nanos: f64,
    /// Nanoseconds more than the first batch of the same round, in the middle of the calm rounds.
    pub over: f64,
    /// How many times as long as the first batch of the same round: the middle of the calm rounds, and
    /// the range of all.
    pub ratio: Spread,
}

/// Times all batches in turns, `rounds` times; each makes `calls` calls.
///
/// A machine that is slow for a while is slow for all batches of a round, so ratios within a round
/// hold where times do not. They do not hold for all that runs: what waits for the processor's units suffers
/// from a neighbour on the same core, and what waits for itself hardly. So the rounds that count are the
/// calm ones, the tenth in which the first batch was quickest, whatever the others were. Each round begins
/// with another batch, so that none always comes first.
pub fn interleave(batches: &mut [Batch<'_>], rounds: usize, calls: usize) -> Vec<Timing> {
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
    let base = times.first().cloned().unwrap_or_default();
    let calm = quickest_tenth(&base);
    let in_calm = |values: &[f64]| -> Vec<f64> {
        calm.iter()
            .filter_map(|round| values.get(*round).copied())
            .collect()
    };
    let calm_base = in_calm(&base);
    times
        .iter()
        .map(|times| {
            let calm = in_calm(times);
            let over = calm.iter().zip(&calm_base).map(|(of, to)| of - to);
            Timing {
                nanos: Spread::of(calm.iter().copied()).median,
                over: Spread::of(over).median,
                ratio: Spread {
                    median: Spread::of_ratios(&calm, &calm_base).median,
                    ..Spread::of_ratios(times, &base)
                },
            }
        })
        .collect()
}

/// The rounds in which a batch was quickest: a tenth of them, and one at least.
fn quickest_tenth(times: &[f64]) -> Vec<usize> {
    let mut rounds: Vec<usize> = (0..times.len()).collect();
    rounds.sort_by(|one, other| times[*one].total_cmp(&times[*other]));
    rounds.truncate(times.len().div_ceil(10));
    rounds
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
        let timings = interleave(&mut batches, 3, 1);
        drop(batches);

        assert_eq!(order.into_inner(), "abc abc bca cab".replace(' ', ""));
        assert_eq!(timings.len(), 3);
        assert_eq!(timings[0].ratio.median, 1.0);
        assert_eq!(timings[0].over, 0.0);
    }

    #[test]
    fn the_rounds_count_in_which_the_first_batch_was_quickest() {
        fn told(nanos: Vec<u64>) -> Batch<'static> {
            let mut nanos = nanos.into_iter();
            Box::new(move || Duration::from_nanos(nanos.next().unwrap()))
        }
        // The first of each is the one before the rounds.
        let (mut base, mut other) = (vec![50; 21], vec![60; 21]);
        (base[3], base[8]) = (10, 20);
        (other[3], other[8], other[9], other[10]) = (30, 60, 10, 150);
        let [_, timing] = interleave(&mut [told(base), told(other)], 20, 1)[..] else {
            panic!("two batches, two timings");
        };
        assert_eq!((timing.nanos, timing.over), (45.0, 30.0));
        assert_eq!(timing.ratio.median, 3.0);
        assert_eq!((timing.ratio.least, timing.ratio.most), (0.2, 3.0));
    }
}
