//! What is measured on servers and stores, by a program of its own.
//!
//! Those bring features of the runtime and of `tracing` that would change what is counted here.

use std::process::{Command, Stdio};

use bench_compare::failure::Failure;
use bench_compare::table::Section;

/// Builds the other program, and has it measure a part.
pub(crate) fn sections(part: &str) -> Result<Vec<Section>, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--release", "--quiet", "--locked"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .args([
            "--features",
            "servers",
            "--bin",
            "bench-servers",
            "--",
            part,
        ])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("measuring {part} failed ({})", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
