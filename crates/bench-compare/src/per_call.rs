//! What a call costs on top of the bare service: time, instructions, allocations.

use crate::cases;
use crate::count::{Cost, Costs, costs};
use crate::driver::elapsed;
use crate::goals::GOALS;
use bench_compare::clock::{Batch, Timing, interleave};
use bench_compare::failure::Failure;
use bench_compare::table::{Row, Section};

/// Cases that do the same work, and what they are measured against.
struct Area {
    title: &'static str,
    note: &'static str,
    base: &'static str,
    cases: &'static [&'static str],
}

const ROUNDS: usize = 21;
/// A batch of a round: short enough that a busy moment of the machine spoils one round alone.
const CALLS: usize = 10_000;

const AREAS: &[Area] = &[
    Area {
        title: "timeout, ready",
        note: "the inner future is ready when it is first polled; no timer need be made",
        base: "bare/R0",
        cases: &[
            "timeout/R0",
            "timeout-head/R0",
            "tower::timeout/R0",
            "tower-http::timeout/R0",
            "tower-resilience::timeout/R0",
        ],
    },
    Area {
        title: "timeout, pending once",
        note: "with no other timer pending, so that each call's timer wakes the driver (one system \
               call, which instruction counts do not see). `floor` is tower's that gives the response \
               another body besides, as a limit on the body must",
        base: "bare-pending/R0",
        cases: &[
            "timeout-pending/R0",
            "floor::timeout-pending/R0",
            "tower::timeout-pending/R0",
            "tower-http::timeout-pending/R0",
            "tower-resilience::timeout-pending/R0",
        ],
    },
    Area {
        title: "retry, R0, first try succeeds",
        note: "`request-clone` is the floor of every retry that keeps the request",
        base: "bare/R0",
        cases: &[
            "request-clone/R0",
            "retry/R0",
            "tower::retry/R0",
            "tower-resilience::retry/R0",
        ],
    },
    Area {
        title: "retry, R4, first try succeeds",
        note: "`retry-not-replayable` is a request that may not be sent again: rivals clone it all \
               the same. `floor::rewrap-request` sends a body on in the type of one that may be sent \
               again; `floor::judge-response` tells a success by its status and counts it, too: what any \
               such layer must. Between it and ours stands that the layer's terms are asked and noted",
        base: "bare/R4",
        cases: &[
            "request-clone/R4",
            "replay-body/R4",
            "retry-keyed/R4",
            "floor::rewrap-request/R4",
            "floor::judge-response/R4",
            "retry-not-replayable/R4",
            "tower::retry/R4",
            "tower-resilience::retry/R4",
        ],
    },
    Area {
        title: "retry on reqwest, R4",
        note: "against the same client with no retry; the network is replaced by an answer",
        base: "reqwest-middleware/R4",
        cases: &["reqwest-retry/R4"],
    },
    Area {
        title: "breaker, closed",
        note: "`failsafe` looks at errors alone, the others at the status too; \
               tower-resilience's window is one of 100 calls; `cloned` clones the service for each \
               call, as a retry does",
        base: "bare/R0",
        cases: &[
            "breaker-consecutive/R0",
            "breaker-window/R0",
            "breaker-window-filled/R0",
            "clone-each-call/R0",
            "breaker-window-cloned/R0",
            "failsafe::breaker-consecutive/R0",
            "failsafe::breaker-window/R0",
            "tower-resilience::breaker-consecutive/R0",
            "tower-resilience::breaker-window/R0",
        ],
    },
    Area {
        title: "retry, breaker and timeout, R4",
        note: "`stack/R4` is the whole stack, with the operation's timeout and the idempotency key that \
               the caller wrote into its header; `tower::stack` is timeout, retry, timeout",
        base: "bare/R4",
        cases: &[
            "request-clone/R4",
            "retry-breaker-timeout/R4",
            "stack/R4",
            "tower::stack/R4",
            "tower-resilience::stack/R4",
        ],
    },
    Area {
        title: "the whole stack, random key",
        note: "key, operation timeout, retry, breaker, attempt timeout, over what none can avoid: making \
               a key, writing its header, and one clone of the request. `floor` is five services that do \
               the least: a key, a clone, two bodies wrapped, a status told twice. Between them stand the \
               breaker's permit and window, the retry's terms and body, and the deadlines of two timeouts, \
               each with its own row above; the rest is moves of the request, the response and the future \
               of 936 bytes",
        base: "key-and-clone/R4-random",
        cases: &["stack/R4-random", "floor::stack/R4-random"],
    },
    Area {
        title: "the whole stack, the caller's key",
        note: "the same with the key in the request's extensions; what it was used for is remembered",
        base: "key-and-clone/R4-owned",
        cases: &["stack/R4-owned"],
    },
];

/// Measures everything.
pub(crate) fn sections() -> Result<Vec<Section>, Failure> {
    let costs = costs(cases::all().map(|(name, _)| *name))?;
    let mut sections = Vec::new();
    for area in AREAS {
        sections.push(section(area, &costs)?);
    }
    sections.extend(others(&costs));
    Ok(sections)
}

fn section(area: &Area, costs: &Costs) -> Result<Section, Failure> {
    let names: Vec<_> = std::iter::once(&area.base).chain(area.cases).collect();
    let mut batches = Vec::new();
    for name in &names {
        let run = cases::named(name)?;
        let batch = move || {
            run(CALLS);
            elapsed()
        };
        batches.push(Box::new(batch) as Batch<'_>);
    }
    let timings = interleave(&mut batches, ROUNDS, CALLS).timings();
    let rows = names.iter().zip(timings);
    let rows = rows.map(|(name, timing)| row(name, area.base, Some(timing), costs));
    Ok(Section::new(area.title, area.note, rows.collect()))
}

/// Cases of no area: they are counted, and not timed.
fn others(costs: &Costs) -> Option<Section> {
    let of_an_area = |name: &str| {
        let areas = AREAS.iter();
        areas
            .into_iter()
            .any(|area| area.base == name || area.cases.contains(&name))
    };
    let others = cases::all().filter(|(name, _)| !of_an_area(name));
    let rows: Vec<Row> = others
        .map(|(name, _)| {
            let (_, request) = name.rsplit_once('/').unwrap_or((name, "R0"));
            let base = format!("bare/{request}");
            let base = costs.keys().find(|known| **known == base).unwrap_or(name);
            row(name, base, None, costs)
        })
        .collect();
    let found = !rows.is_empty();
    found.then(|| Section::new("other cases", "counted, not timed", rows))
}

fn row(name: &'static str, base: &'static str, timing: Option<Timing>, costs: &Costs) -> Row {
    let mut row = Row::new(name, base);
    let (cost, over) = (costs[name], costs[name].over(costs[base]));
    row = if name == base {
        row.against.clear();
        if let Some(timing) = timing {
            row = row.figure("ns", timing.nanos);
        }
        row.figure("instructions", cost.instructions)
            .figure("allocations", rounded(cost))
    } else {
        if let Some(timing) = timing {
            row = row.ratio(timing.ratio).over("ns", timing.over);
        }
        row.over("instructions", over.instructions)
            .over("allocations", rounded(over))
    };
    let goal = GOALS.iter().find(|goal| goal.case == name);
    row.goal(goal.map(|goal| goal.verdict(costs)))
}

/// A buffer that grew once in all the counted calls is no allocation of each.
fn rounded(cost: Cost) -> f64 {
    (cost.allocations * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_and_goals_name_cases_that_there_are() {
        for area in AREAS {
            for name in area.cases.iter().chain([&area.base]) {
                cases::named(name).unwrap();
            }
        }
        for goal in GOALS {
            cases::named(goal.case).unwrap();
            cases::named(goal.over).unwrap();
        }
    }

    #[test]
    fn names_are_said_once() {
        let mut names: Vec<_> = cases::all().map(|(name, _)| name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_case_runs() {
        // Somebody else may have been first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (name, run) in cases::all() {
            run(3);
            assert!(name.contains('/'), "{name}");
        }
    }
}
