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

/// Times all batches in turns, `rounds` times; each makes `calls` calls.
///
/// A machine that is slow for a while is slow for all batches of a round, so ratios within a round
/// hold where times do not. Each round begins with another batch, so that none always comes first.
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
    times
        .iter()
        .map(|times| Timing {
            nanos: Spread::of(times.iter().copied()).median,
            over: Spread::of(times.iter().zip(&base).map(|(of, to)| of - to)).median,
            ratio: Spread::of_ratios(times, &base),
        })
        .collect()
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
}
