//! Stores, each against the loop that somebody would write by hand on the same backend.

mod memory;
mod sqlite;

use bench_compare::failure::Failure;
use bench_compare::stats::Spread;
use bench_compare::table::{By, Row, Section, Verdict};

/// Measures all stores.
pub(crate) fn sections() -> Result<Vec<Section>, Failure> {
    Ok(vec![memory::section()?, sqlite::section()?])
}

/// Cycles a second in the same rounds, by hand and by the store.
#[derive(Debug, Default)]
struct Rates {
    by_hand: Vec<f64>,
    ours: Vec<f64>,
}

impl Rates {
    /// The store's share of what is possible by hand; `least` is the goal.
    fn row(&self, case: String, against: &str, least: Option<f64>) -> Row {
        let middle = |rates: &[f64]| Spread::of(rates.iter().copied()).median;
        let ratio = Spread::of_ratios(&self.ours, &self.by_hand);
        let goal = least.map(|least| Verdict {
            goal: format!("≥ {least} of {against}"),
            measured: format!("{:.2}", ratio.median),
            met: ratio.median >= least,
            by: By::HighRatio,
        });
        Row::new(case, against)
            .ratio(ratio)
            .figure("cycles/s", middle(&self.ours))
            .figure("cycles/s by hand", middle(&self.by_hand))
            .goal(goal)
    }
}
