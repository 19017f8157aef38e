//! Runs breaker scenarios: `cargo run -p tests --bin breaker_vectors -- FILE...`.
//!
//! Prints each difference with its file and id. The last line is `N passed, N failed`; the exit code
//! is 1 if any failed, and 2, with nothing run, if a file cannot be read.

use std::process::ExitCode;

use tests::vectors::breaker::File;
use tests::vectors::runner;

fn main() -> ExitCode {
    // The panics that scenarios ask for are caught; nobody need read of them.
    std::panic::set_hook(Box::new(|_| {}));
    runner::run::<File>("breaker_vectors")
}
