//! Runs retry, backoff and budget scenarios: `cargo run -p tests --bin retry_vectors -- FILE...`.
//!
//! Prints each difference with its file and id. The last line is `N passed, N failed`; the exit code
//! is 1 if any failed, and 2, with nothing run, if a file cannot be read.

use std::process::ExitCode;

use tests::vectors::retry::File;
use tests::vectors::runner;

fn main() -> ExitCode {
    runner::run::<File>("retry_vectors")
}
