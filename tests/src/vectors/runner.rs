//! What runs files of scenarios, whatever they are about.

use std::fmt;
use std::fs;
use std::process::ExitCode;

/// A file of scenarios.
pub trait Scenarios: Sized {
    /// Reads a file's text.
    ///
    /// # Errors
    ///
    /// Says where the text is not what the format asks for.
    fn parse(text: &str) -> Result<Self, serde_json::Error>;

    /// Each scenario's name, and how what happens differs from what must, if it does.
    fn outcomes(&self) -> impl Iterator<Item = (&str, Option<String>)>;
}

/// Runs the files that the command line of `program` names.
///
/// Prints each difference with its file and name, and in the end `N passed, N failed`. The code is 1
/// if any failed, and 2, with nothing run, if a file cannot be read.
#[must_use]
pub fn run<S: Scenarios>(program: &str) -> ExitCode {
    let paths: Vec<_> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        eprintln!("usage: {program} FILE...");
        return ExitCode::from(2);
    }
    let mut files = Vec::new();
    for path in &paths {
        let file = fs::read_to_string(path)
            .map_err(|error| error.to_string())
            .and_then(|text| S::parse(&text).map_err(|error| error.to_string()));
        match file {
            Ok(file) => files.push((path, file)),
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
    if files.len() < paths.len() {
        return ExitCode::from(2);
    }

    let (mut passed, mut failed) = (0_u32, 0_u32);
    for (path, file) in &files {
        for (id, difference) in file.outcomes() {
            match difference {
                Some(difference) => {
                    println!("{path}: {id}: {difference}");
                    failed += 1;
                }
                None => passed += 1,
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

/// Nothing, or how `found` differs from what was expected.
pub(super) fn same<T: fmt::Debug + PartialEq>(
    what: &str,
    expected: &T,
    found: &T,
) -> Result<(), String> {
    if expected == found {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}
