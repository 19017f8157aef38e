//! Measures one part that takes servers or stores, and prints it as JSON for `bench-compare`.

mod inbound;
mod latency;
mod stores;
mod wire;

use std::process::ExitCode;

use bench_compare::failure::Failure;
use bench_compare::table::Section;
use clap::{Parser, ValueEnum};

/// Measures one part on servers and stores; `bench-compare report` runs it.
#[derive(Debug, Parser)]
#[command(name = "bench-servers")]
struct Arguments {
    /// What is measured.
    #[arg(value_enum)]
    part: Part,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Many requests at once under one key.
    Inbound,
    /// The latency of a server under a constant rate.
    Latency,
    /// Stores against raw loops.
    Stores,
}

impl Part {
    fn measure(self) -> Result<Vec<Section>, Failure> {
        match self {
            Self::Inbound => Ok(vec![inbound::section()?]),
            Self::Latency => Ok(vec![latency::section()?]),
            Self::Stores => stores::sections(),
        }
    }
}

fn main() -> ExitCode {
    let sections = Arguments::parse().part.measure();
    let printed = sections.and_then(|sections| Ok(serde_json::to_string(&sections)?));
    match printed {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-servers: {error}");
            ExitCode::from(2)
        }
    }
}
