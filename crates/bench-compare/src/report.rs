//! `report`: measures, prints, and keeps the results.

use std::fmt::Write as _;
use std::fs;

use clap::ValueEnum;
use serde_json::json;

use crate::{machine, per_call, servers, sizes, store_benches, threads, webhook, windows};
use bench_compare::failure::Failure;
use bench_compare::table::{self, Section};

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");

const README: &str = include_str!("../README.md");

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Time, instructions and allocations of a call.
    PerCall,
    /// The size of a stack's future.
    Sizes,
    /// Two threads on one circuit.
    Threads,
    /// Many calls in a breaker's window.
    Windows,
    /// Verifying webhooks.
    Webhook,
    /// Many requests at once under one key.
    Inbound,
    /// The latency of a server under a constant rate.
    Latency,
    /// Stores without a server, against raw loops.
    Stores,
    /// The store on a Redis server, against raw loops.
    Redis,
    /// The store on a PostgreSQL server, against a raw loop.
    Postgres,
}

impl Part {
    fn measure(self) -> Result<Vec<Section>, Failure> {
        Ok(match self {
            Self::PerCall => per_call::sections()?,
            Self::Sizes => vec![sizes::section()],
            Self::Threads => vec![threads::section()],
            Self::Windows => vec![windows::section()],
            Self::Webhook => webhook::sections()?,
            Self::Inbound | Self::Latency | Self::Stores => servers::sections(&self.name())?,
            Self::Redis => vec![store_benches::REDIS.section()?],
            Self::Postgres => vec![store_benches::POSTGRES.section()?],
        })
    }

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Measures `only` these parts and writes nothing down, or all `without` those.
pub(crate) fn report(only: &[Part], without: &[Part], as_json: bool) -> Result<(), Failure> {
    let all = only.is_empty();
    let parts = if all { Part::value_variants() } else { only };
    let mut sections = Vec::new();
    for part in parts.iter().filter(|part| !without.contains(part)) {
        eprintln!("measuring {} ...", part.name());
        sections.extend(part.measure()?);
    }

    let facts = machine::facts();
    print!("{}", table::results(&sections));
    let (goals, missed) = table::missed(&sections);
    println!("\n{} of {goals} goals met", goals - missed.len());
    for case in &missed {
        println!("missed: {case}");
    }
    if all {
        fs::write(RESULTS, page(&facts, without, &sections))
            .map_err(|error| format!("cannot write {RESULTS}: {error}"))?;
        println!("written to {RESULTS}");
    }
    if as_json {
        let mut object = machine::json(&facts);
        object.insert("goals".into(), json!(goals));
        object.insert("missed".into(), json!(missed));
        object.insert("sections".into(), table::json(&sections));
        println!("{}", serde_json::Value::Object(object));
    }
    Ok(())
}

/// The results as a page.
fn page(facts: &[(&'static str, String)], without: &[Part], sections: &[Section]) -> String {
    let (goals, missed) = table::missed(sections);
    let mut text = String::from(
        "What each layer costs, beside its rivals\n\n\
         Written by `cargo run --release -p bench-compare -- report`.\n\n# The machine\n\n",
    );
    for (name, value) in facts {
        let _ = writeln!(text, "- {name}: {value}");
    }
    for part in without {
        let _ = writeln!(text, "- not measured: {}", part.name());
    }
    let versions = machine::versions();
    let versions: Vec<_> = versions
        .iter()
        .map(|(name, at)| format!("{name} {at}"))
        .collect();
    let _ = write!(
        text,
        "- versions: {}\n\n# The goals\n\n{} of {goals} met.\n\n{}\n# All results\n\n{}\n{}\n{}",
        versions.join(", "),
        goals - missed.len(),
        table::goals(sections),
        table::results(sections),
        table::notes(sections),
        method(),
    );
    text
}

/// The README's part about the method.
fn method() -> &'static str {
    let at = README.find("# The method").unwrap_or(README.len());
    README.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_compare::table::Row;

    #[test]
    fn a_page_tells_machine_goals_results_and_method() {
        let rows = vec![Row::new("ours/R0", "bare/R0")];
        let sections = [Section::new("a part", "what to know", rows)];
        let page = page(&[("cpu", "A CPU".into())], &[Part::Redis], &sections);
        let mut rest = page.as_str();
        for part in [
            "- cpu: A CPU",
            "- not measured: redis",
            "- versions: tower 0.5.",
            "0 of 0 met",
            "| ours/R0",
            "- **a part**: what to know",
            "# The method",
        ] {
            let (_, after) = rest
                .split_once(part)
                .unwrap_or_else(|| panic!("{part}: {page}"));
            rest = after;
        }
    }

    #[test]
    fn parts_are_named_as_on_the_command_line() {
        assert_eq!(Part::PerCall.name(), "per-call");
    }
}
