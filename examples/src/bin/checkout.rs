//! The main job: see `examples/README.md`.

use std::process::ExitCode;

fn main() -> ExitCode {
    examples::checkout::main()
}
