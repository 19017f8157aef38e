//! `check`: are the goals met that do not depend on how busy the machine is?

use std::process::ExitCode;

use crate::count::costs;
use crate::goals::GOALS;
use crate::sizes;
use bench_compare::failure::Failure;
use bench_compare::table::{Verdict, grid};

/// Counts what the goals name, prints a line for each, and fails if one is missed.
pub(crate) fn check() -> Result<ExitCode, Failure> {
    let costs = costs(GOALS.iter().flat_map(|goal| [goal.case, goal.over]))?;
    let counted = GOALS
        .iter()
        .map(|goal| (goal.case.to_owned(), goal.verdict(&costs)));
    let sized = sizes::section().rows.into_iter();
    let sized = sized.filter_map(|row| Some((row.case, row.goal?)));
    let verdicts: Vec<(String, Verdict)> = counted.chain(sized).collect();
    let rows = verdicts.iter().map(|(case, verdict)| {
        let met = if verdict.met { "met" } else { "MISSED" };
        [met, case, &verdict.goal, &verdict.measured].map(str::to_owned)
    });
    let rows: Vec<_> = rows.collect();
    print!("{}", grid(["", "case", "goal", "measured"], &rows));

    let missed = verdicts.iter().filter(|(_, verdict)| !verdict.met).count();
    println!("{} goals met, {missed} missed", verdicts.len() - missed);
    Ok(ExitCode::from(u8::from(missed != 0)))
}
