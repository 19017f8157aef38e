//! The command line: `check`, `report`, and the hidden `run`.

mod breakers;
mod case;
mod cases;
mod check;
mod count;
mod driver;
mod failsafe;
mod floor_bound;
mod floor_stack;
mod floors;
mod goals;
mod machine;
mod per_call;
mod report;
mod reqwest_retry;
mod rivals;
mod servers;
mod sizes;
mod stack;
mod store_benches;
mod threads;
mod webhook;
mod windows;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Part;
use bench_compare::failure::Failure;

/// Measures what each layer costs, beside the bare service and beside its rivals.
#[derive(Debug, Parser)]
#[command(name = "bench-compare")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Counts every case that a goal needs; exits with 1 if one costs more than it is held to.
    Check,
    /// Measures everything, prints the table and writes RESULTS.md.
    Report {
        /// Prints one JSON object too, as the last line.
        #[arg(long)]
        json: bool,
        /// Measures this part alone, and writes nothing; may be said several times.
        #[arg(long, value_enum)]
        only: Vec<Part>,
        /// Leaves this part out, and writes that down; may be said several times.
        #[arg(long, value_enum, conflicts_with = "only")]
        without: Vec<Part>,
    },
    /// Runs one case and prints nothing: what the instruction counter watches.
    #[command(hide = true)]
    Run { case: String, calls: usize },
}

impl Command {
    fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Run { case, calls } => cases::run(&case, calls)?,
            _ if cfg!(debug_assertions) => {
                return Err("only a release build is worth measuring: cargo run --release".into());
            }
            Self::Check => return check::check(),
            Self::Report {
                json,
                only,
                without,
            } => report::report(&only, &without, json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn main() -> ExitCode {
    Arguments::parse().command.run().unwrap_or_else(|error| {
        eprintln!("bench-compare: {error}");
        ExitCode::from(2)
    })
}
