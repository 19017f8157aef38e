//! The breaker does what its portable vectors say, and the runner tells when it does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::vectors::breaker::File;
use tests::vectors::runner::Scenarios;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/breaker");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn run(files: &[PathBuf]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_breaker_vectors"))
        .args(files)
        .output()
        .unwrap()
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_scenario_holds() {
    let output = run(&files());
    let text = String::from_utf8(output.stdout).unwrap();
    let scenarios: usize = files()
        .iter()
        .map(|path| File::parse(&fs::read_to_string(path).unwrap()).unwrap())
        .map(|file| file.scenarios.len())
        .sum();
    assert!(scenarios >= 60);
    assert_eq!(text, format!("{scenarios} passed, 0 failed\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn no_two_scenarios_share_a_name() {
    let mut ids: Vec<_> = files()
        .iter()
        .map(|path| File::parse(&fs::read_to_string(path).unwrap()).unwrap())
        .flat_map(|file| file.scenarios)
        .map(|scenario| scenario.id)
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn differences_are_told_and_counted() {
    let wrong = [
        (
            r#"{"do": "failure", "state": "closed"}"#,
            r#"["open"]"#,
            "state",
        ),
        (r#"{"do": "failure"}"#, "[]", "events"),
        (r#"{"do": "admit", "admitted": false}"#, "[]", "admitted"),
        (r#"{"do": "drop", "call": "x"}"#, "[]", "no such call"),
        (
            r#"{"do": "success", "time_window": {"calls": 7, "failures": 0}}"#,
            "[]",
            "time window",
        ),
    ];
    for (step, events, difference) in wrong {
        let path = written(
            "wrong.json",
            &format!(
                r#"{{"scenarios": [
                    {{"id": "good", "about": "", "config": {{"consecutive_failures": 1}},
                      "steps": [{{"do": "failure"}}], "events": ["open"]}},
                    {{"id": "bad", "about": "", "config": {{"consecutive_failures": 1}},
                      "steps": [{step}], "events": {events}}}
                ]}}"#
            ),
        );
        let output = run(&[path]);
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].contains("bad: ") && lines[0].contains(difference),
            "{text}"
        );
        assert_eq!(lines[1], "1 passed, 1 failed");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn settings_that_cannot_be_are_a_difference() {
    let path = written(
        "impossible.json",
        r#"{"scenarios": [{"id": "x", "about": "", "config": {}, "steps": [], "events": []}]}"#,
    );
    let output = run(&[path]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("no rule could ever open the circuit"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_place() {
    let typo = r#"{"scenarios": [{"id": "x", "about": "", "stepps": [], "events": []}]}"#;
    let bad = [
        written("typo.json", typo),
        written("cut.json", "{"),
        PathBuf::from("nowhere.json"),
    ];
    for path in bad {
        let output = run(std::slice::from_ref(&path));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(&path.display().to_string()), "{told}");
        assert!(output.stdout.is_empty(), "nothing was run");
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(run(&[]).status.code(), Some(2));
}
