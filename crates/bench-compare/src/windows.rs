//! What a call through a breaker costs that remembers many calls.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::breakers::window;
use crate::driver::{Req, bare, drive, elapsed, r0};
use crate::{failsafe, rivals};
use bench_compare::stats::Spread;
use bench_compare::table::{By, Row, Section, Verdict};

const ROUNDS: usize = 9;
const SIZES: [usize; 3] = [100, 10_000, 1_000_000];
/// How long a window may take to fill.
const PATIENCE: Duration = Duration::from_secs(3);
/// How much dearer a call may be in the largest window than in the smallest: noise.
const GOAL: f64 = 1.25;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What a call took after a window was filled, and how far it was filled.
#[derive(Clone, Copy, Debug)]
struct Measured {
    nanos: f64,
    filled: usize,
    took: Duration,
}

/// Measures a window that is to hold so many calls.
type Measure = fn(usize) -> Measured;

/// Measures all sizes of all windows.
pub(crate) fn section() -> Section {
    let contenders: [(&str, Measure); 3] = [
        ("window/breaker", |size| {
            filled(&window().layer(bare()), size)
        }),
        ("failsafe::window", |size| {
            filled(&failsafe::window(bare()), size)
        }),
        ("tower-resilience::window", |size| {
            filled(&rivals::over_time(HOUR).layer(bare()), size)
        }),
    ];
    let mut rows = Vec::new();
    for (case, measure) in contenders {
        let smallest = measured(measure, SIZES[0]);
        for size in SIZES {
            let measured = measured(measure, size);
            let row = row(case, size, &measured, &smallest);
            let is_judged = !row.is_rival() && size == SIZES[SIZES.len() - 1];
            let goal = is_judged.then(|| verdict(&row));
            rows.push(row.goal(goal));
        }
    }
    Section::new(
        "breaker, calls in its window",
        "a window in time; the ratio is to the same breaker with 100 calls in its window; a window \
               that takes longer than 3 s to fill is measured as far as it was filled, once",
        rows,
    )
}

/// Several rounds, each with a window of its own; one, if filling it is slow.
fn measured(measure: Measure, size: usize) -> Vec<Measured> {
    let first = measure(size);
    let more = if first.took > PATIENCE / 3 {
        0
    } else {
        ROUNDS - 1
    };
    std::iter::once(first)
        .chain((0..more).map(|_| measure(size)))
        .collect()
}

fn row(case: &str, size: usize, measured: &[Measured], smallest: &[Measured]) -> Row {
    let nanos = |measured: &[Measured]| Spread::of(measured.iter().map(|measured| measured.nanos));
    let base = nanos(smallest).median;
    let filled = measured.iter().map(|measured| measured.filled).min();
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let filled = filled.unwrap_or(0) as f64;
    Row::new(format!("{case}/{size}"), format!("{case}/{}", SIZES[0]))
        .ratio(Spread::of(
            measured.iter().map(|measured| measured.nanos / base),
        ))
        .figure("ns a call", nanos(measured).median)
        .figure("calls in the window", filled)
}

fn verdict(row: &Row) -> Verdict {
    let ratio = row.ratio.map_or(f64::NAN, |ratio| ratio.median);
    Verdict {
        goal: format!("≤ {GOAL} × a window of {} calls", SIZES[0]),
        measured: format!("{ratio:.2} ×"),
        met: ratio <= GOAL,
        by: By::LowRatio,
    }
}

fn filled<S>(service: &S, size: usize) -> Measured
where
    S: Service<Req, Error: Debug> + Clone,
{
    let begun = Instant::now();
    let mut filled = 0;
    while filled < size && begun.elapsed() < PATIENCE {
        let calls = (size - filled).min(1000);
        drive(service.clone(), r0, calls);
        filled += calls;
    }
    let took = begun.elapsed();
    let calls = (size / 2).min(1000);
    drive(service.clone(), r0, calls);
    let nanos = elapsed().as_secs_f64() * 1e9;
    #[allow(clippy::cast_precision_loss, reason = "at most a thousand")]
    let nanos = nanos / calls as f64;
    Measured {
        nanos,
        filled,
        took,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_measured_after_it_was_filled() {
        let measured = filled(&window().layer(bare()), 1500);
        assert_eq!(measured.filled, 1500);
        assert!(measured.nanos > 0.0);
    }

    #[test]
    fn a_window_that_grew_dear_misses_the_goal() {
        let of = |nanos, filled| Measured {
            nanos,
            filled,
            took: PATIENCE,
        };
        let smallest = [of(100.0, 100), of(101.0, 100), of(99.0, 100)];
        let flat = row("window", 10, &[of(110.0, 10)], &smallest);
        let dear = row("window", 10, &[of(1000.0, 10)], &smallest);
        assert!(verdict(&flat).met);
        assert!(!verdict(&dear).met);
    }
}
