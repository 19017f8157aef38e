//! Stores on servers, by the benches of their own crates: those know how to start a server.

use std::process::{Command, Stdio};

use bench_compare::failure::Failure;
use bench_compare::stats::Spread;
use bench_compare::table::{By, Row, Section, Verdict};

/// A bench that prints a table: a head of names, two spaces apart, of which the first is `callers`,
/// and a row of numbers for each count of callers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreBench {
    package: &'static str,
    title: &'static str,
    note: &'static str,
    /// The column that holds the share of the raw loop.
    ratio: &'static str,
    /// The least share.
    least: f64,
}

pub(crate) const REDIS: StoreBench = StoreBench {
    package: "buttress-store-redis",
    title: "store in Redis",
    note: "begin and complete cycles, against `SET NX PX` and `SET PX` by hand on the same connection, \
           which compare neither token nor fingerprint, as no other command but a script can; `floor` is \
           one such script, and a claim that returns what it finds and for how long; `scripts` are two",
    ratio: "of SETs",
    least: 0.85,
};

pub(crate) const POSTGRES: StoreBench = StoreBench {
    package: "buttress-store-postgres",
    title: "store in PostgreSQL",
    note: "begin and complete cycles, against an insert and an update by hand through the same pool",
    ratio: "ratio",
    least: 0.85,
};

impl StoreBench {
    /// Builds and runs it.
    pub(crate) fn section(&self) -> Result<Section, Failure> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["bench", "--quiet", "--locked", "--profile", "release"])
            .args([
                "--manifest-path",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"),
            ])
            .args(["--package", self.package, "--bench", "round_trips"])
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("cannot start cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("the bench of {} failed ({})", self.package, output.status).into());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let rows = self.rows(&text)?;
        Ok(Section::new(self.title, self.note, rows))
    }

    fn rows(&self, text: &str) -> Result<Vec<Row>, Failure> {
        let mut lines = text.lines().skip_while(|line| !line.starts_with("callers"));
        let head: Vec<&str> = columns(lines.next().unwrap_or_default()).collect();
        let rows: Vec<Row> = lines
            .map_while(|line| numbers(line).filter(|numbers| numbers.len() == head.len()))
            .map(|numbers| self.row(&head, &numbers))
            .collect();
        if rows.iter().any(|row| row.ratio.is_some()) {
            Ok(rows)
        } else {
            Err(format!(
                "no table in what the bench of {} prints:\n{text}",
                self.package
            )
            .into())
        }
    }

    fn row(&self, head: &[&str], numbers: &[f64]) -> Row {
        let callers = numbers.first().copied().unwrap_or_default();
        let name = self.package.trim_start_matches("buttress-");
        let mut row = Row::new(format!("{name}/{callers:.0}-callers"), "the raw loop");
        for (name, number) in head.iter().zip(numbers).skip(1) {
            if *name == self.ratio {
                row = row
                    .ratio(Spread::of([*number]))
                    .goal(Some(self.verdict(*number)));
            } else {
                row = row.named_figure((*name).to_owned(), *number);
            }
        }
        row
    }

    fn verdict(&self, ratio: f64) -> Verdict {
        Verdict {
            goal: format!("≥ {} of the raw loop", self.least),
            measured: format!("{ratio:.2}"),
            met: ratio >= self.least,
            by: By::HighRatio,
        }
    }
}

/// What stands two spaces or more apart.
fn columns(line: &str) -> impl Iterator<Item = &str> {
    line.split("  ")
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

fn numbers(line: &str) -> Option<Vec<f64>> {
    let numbers = line.split_whitespace().map(str::parse);
    numbers.collect::<Result<_, _>>().ok()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these are exact")]
mod tests {
    use super::*;

    const PRINTED: &str = "\
        callers  plain SETs/s  scripts by hand/s  ours/s  of SETs  of scripts\n\
        \x20     1          7000               6500    6300     0.90        0.97\n\
        \x20    64        180000             150000  140000     0.78        0.93\n\
        round trips of a replay: 1\n";

    #[test]
    fn a_printed_table_becomes_rows() {
        let rows = REDIS.rows(PRINTED).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].case, "store-redis/1-callers");
        assert_eq!(rows[0].ratio.unwrap().median, 0.9);
        assert!(rows[0].goal.as_ref().unwrap().met);
        assert_eq!(rows[1].case, "store-redis/64-callers");
        assert!(!rows[1].goal.as_ref().unwrap().met);
    }

    #[test]
    fn a_bench_that_prints_something_else_is_a_failure() {
        for text in ["", "callers\n1\n", "callers  ours/s\nmany  7\n"] {
            assert!(REDIS.rows(text).is_err(), "{text}");
        }
    }
}
