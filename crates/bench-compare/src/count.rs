//! Counting: instructions under callgrind, allocations in this process.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cases;

/// Enough to be past every first time (thread locals, the timer wheel, the lazily made runtime).
const WARM: usize = 500;
/// The calls that are counted, on top of those.
const COUNTED: usize = 2000;

/// What one call of a case costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// Counts one case by its name.
pub(crate) fn cost(case: &str) -> Result<Cost, Box<dyn Error>> {
    let few = instructions(case, WARM)?;
    let many = instructions(case, WARM + COUNTED)?;
    Ok(Cost {
        instructions: per_call(few, many),
        allocations: per_call(allocations(case, WARM)?, allocations(case, WARM + COUNTED)?),
    })
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per_call(few: u64, many: u64) -> f64 {
    many.saturating_sub(few) as f64 / COUNTED as f64
}

fn allocations(case: &str, calls: usize) -> Result<u64, Box<dyn Error>> {
    let mut ran = Ok(());
    let counted = allocation_counter::measure(|| ran = cases::run(case, calls));
    ran?;
    Ok(counted.count_total)
}

/// Instructions that this program executes to run a case so many times (callgrind's `Ir`).
fn instructions(case: &str, calls: usize) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(
            std::env::current_exe()
                .as_deref()
                .unwrap_or(Path::new("bench-compare")),
        )
        .args(["run", case, &calls.to_string()])
        .stdout(Stdio::null())
        .output()
        .map_err(|error| {
            format!("cannot start valgrind ({error}); install Debian's package valgrind")
        })?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("case {case} failed under valgrind:\n{log}").into());
    }
    collected(&log).ok_or_else(|| format!("no count in valgrind's output:\n{log}").into())
}

/// The number after `Collected :` in callgrind's log.
fn collected(log: &str) -> Option<u64> {
    let (_, rest) = log.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_log() {
        assert_eq!(
            collected("==7== Events    : Ir\n==7== Collected : 271828\n==7==\n"),
            Some(271_828)
        );
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }

    #[test]
    fn a_warm_case_allocates_what_it_allocates_and_no_more() {
        assert!(cost_in_allocations("bare/R0") < 0.001);
        assert!((cost_in_allocations("bare/R4") - 2.0).abs() < 0.001);
    }

    fn cost_in_allocations(case: &str) -> f64 {
        let few = allocations(case, WARM).unwrap();
        per_call(few, allocations(case, WARM + COUNTED).unwrap())
    }
}
