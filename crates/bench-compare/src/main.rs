//! Counts what each layer costs over the bare service: instructions and allocations, beside its rivals.

mod breakers;
mod cases;
mod check;
mod count;
mod driver;
mod floors;
mod goals;
mod report;
mod stack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Counts what each layer costs over the bare service.
#[derive(Debug, Parser)]
#[command(name = "bench-compare")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Counts every case that a goal needs; exits with 1 if a goal is missed.
    Check,
    /// Counts every case and prints the table.
    Report {
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Runs one case and prints nothing: what the instruction counter watches.
    #[command(hide = true)]
    Run { case: String, calls: usize },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check => check::check(),
        Command::Report { json } => report::report(json).map(|()| ExitCode::SUCCESS),
        Command::Run { case, calls } => cases::run(&case, calls).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("bench-compare: {error}");
        ExitCode::from(2)
    })
}
