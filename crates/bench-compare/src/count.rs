//! Counting: instructions under callgrind, allocations in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::cases;
use bench_compare::failure::Failure;

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

impl Cost {
    /// What it costs more than another.
    pub(crate) fn over(self, other: Self) -> Self {
        Self {
            instructions: self.instructions - other.instructions,
            allocations: self.allocations - other.allocations,
        }
    }
}

/// What each case costs, by its name.
pub(crate) type Costs = BTreeMap<&'static str, Cost>;

/// Counts each case once, on all cores: counts do not depend on how busy they are.
pub(crate) fn costs(cases: impl IntoIterator<Item = &'static str>) -> Result<Costs, Failure> {
    let cases = Mutex::new(cases.into_iter().collect::<BTreeSet<_>>());
    let count = || {
        let mut costs = Costs::new();
        loop {
            let Some(case) = cases.lock().expect("nobody panics with it").pop_first() else {
                return Ok(costs);
            };
            costs.insert(case, cost(case)?);
        }
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(count)).collect();
        let mut all = Costs::new();
        for worker in workers {
            let counted: Result<_, Failure> = worker.join().expect("counting does not panic");
            all.append(&mut counted?);
        }
        Ok(all)
    })
}

/// Counts one case by its name.
fn cost(case: &str) -> Result<Cost, Failure> {
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

fn allocations(case: &str, calls: usize) -> Result<u64, Failure> {
    let mut ran = Ok(());
    let counted = allocation_counter::measure(|| ran = cases::run(case, calls));
    ran?;
    Ok(counted.count_total)
}

/// Instructions that this program executes to run a case so many times (callgrind's `Ir`).
fn instructions(case: &str, calls: usize) -> Result<u64, Failure> {
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
