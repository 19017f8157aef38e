//! `check`: are the goals met?

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use crate::count::{Cost, cost};
use crate::goals::{GOALS, Goal};

/// Half an allocation in two thousand calls is a buffer that grew once, not a cost of each call.
const SLACK: f64 = 0.001;

/// Counts what the goals name, prints a line for each, and fails if one is missed.
pub(crate) fn check() -> Result<ExitCode, Box<dyn Error>> {
    let mut costs = BTreeMap::new();
    for name in GOALS.iter().flat_map(|goal| [goal.case, goal.over]) {
        if !costs.contains_key(name) {
            costs.insert(name, cost(name)?);
        }
    }
    println!(
        "{:<34} {:<22} {:>13} {:>6} {:>12} {:>5}",
        "case", "over", "instructions", "goal", "allocations", "goal"
    );
    let missed = GOALS
        .iter()
        .filter(|goal| !is_met(goal, costs[goal.case], costs[goal.over]))
        .count();
    println!("{} goals met, {missed} missed", GOALS.len() - missed);
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints the goal's line.
fn is_met(goal: &Goal, case: Cost, over: Cost) -> bool {
    let instructions = case.instructions - over.instructions;
    let allocations = case.allocations - over.allocations;
    let met = instructions <= goal.instructions && allocations <= goal.allocations + SLACK;
    println!(
        "{:<34} {:<22} {:>13.1} {:>6.0} {:>12.2} {:>5.0}{}",
        goal.case,
        goal.over,
        instructions,
        goal.instructions,
        allocations,
        goal.allocations,
        if met { "" } else { "  MISSED" }
    );
    met
}
