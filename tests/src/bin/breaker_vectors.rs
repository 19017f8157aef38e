//! Runs breaker scenarios: `cargo run -p tests --bin breaker_vectors -- FILE...`.
//!
//! Prints each difference with its file and id. The last line is `N passed, N failed`; the exit code
//! is 1 if any failed, and 2, with nothing run, if a file cannot be read.

use std::fs;
use std::process::ExitCode;

use tests::vectors::breaker::File;

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        eprintln!("usage: breaker_vectors FILE...");
        return ExitCode::from(2);
    }
    let mut files = Vec::new();
    for path in &paths {
        let file = fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| File::parse(&text).map_err(|error| error.to_string()));
        match file {
            Ok(file) => files.push((path, file)),
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
    if files.len() < paths.len() {
        return ExitCode::from(2);
    }

    // The panics that scenarios ask for are caught; nobody need read of them.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for (path, file) in files {
        for scenario in &file.scenarios {
            match scenario.difference() {
                Some(difference) => {
                    println!("{path}: {}: {difference}", scenario.id);
                    failed += 1;
                }
                None => passed += 1,
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
