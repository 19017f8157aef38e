//! `check`: does everything hold that does not depend on how busy the machine is?

use std::process::ExitCode;

use crate::count::costs;
use crate::goals::GOALS;
use crate::sizes;
use bench_compare::failure::Failure;
use bench_compare::table::{Verdict, grid};

/// Counts what the goals name, and prints a line for each. Fails if something that is held to is
/// exceeded: the goal, or what a goal that cannot be met yet has come down to.
pub(crate) fn check() -> Result<ExitCode, Failure> {
    let costs = costs(GOALS.iter().flat_map(|goal| [goal.case, goal.over]))?;
    let counted = GOALS.iter().map(|goal| {
        let (verdict, holds) = (goal.verdict(&costs), goal.holds(&costs));
        (goal.case.to_owned(), verdict, holds)
    });
    let sized = sizes::section().rows.into_iter();
    let sized = sized.filter_map(|row| {
        let verdict = row.goal?;
        let met = verdict.met;
        Some((row.case, verdict, met))
    });
    let lines: Vec<(String, Verdict, bool)> = counted.chain(sized).collect();
    let rows = lines.iter().map(|(case, verdict, holds)| {
        let state = match (verdict.met, holds) {
            (true, true) => "met",
            (false, true) => "not met yet",
            (_, false) => "WORSE",
        };
        [state, case, &verdict.goal, &verdict.measured].map(str::to_owned)
    });
    let rows: Vec<_> = rows.collect();
    print!("{}", grid(["", "case", "goal", "measured"], &rows));

    let met = lines.iter().filter(|(_, verdict, _)| verdict.met).count();
    let worse = lines.iter().filter(|(.., holds)| !holds).count();
    println!(
        "{met} of {} goals met, {worse} worse than they were",
        lines.len()
    );
    Ok(ExitCode::from(u8::from(worse != 0)))
}
