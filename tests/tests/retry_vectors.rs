//! Retry, backoff and budget do what their portable vectors say, and the runner tells when they do not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::vectors::retry::File;
use tests::vectors::runner::Scenarios;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/retry");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn ids() -> Vec<String> {
    files()
        .iter()
        .map(|path| File::parse(&fs::read_to_string(path).unwrap()).unwrap())
        .flat_map(|file| file.scenarios)
        .map(|scenario| scenario.id)
        .collect()
}

fn run(files: &[PathBuf]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retry_vectors"))
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
    let scenarios = ids().len();
    assert!(scenarios >= 50);
    assert_eq!(text, format!("{scenarios} passed, 0 failed\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn no_two_scenarios_share_a_name() {
    let ids = ids();
    let names: BTreeSet<_> = ids.iter().collect();
    assert_eq!(names.len(), ids.len());
}

#[test]
fn each_expectation_is_checked() {
    let operation = |expectation: &str| {
        format!(
            r#""retry": {{"config": {{"budget": {{"percent": 0, "reserve_per_second": 1}}}},
                "operations": [{{"answers": [{{"status": 503}}, {{"status": 200}}], {expectation}}}]}}"#
        )
    };
    let wrong = [
        (operation(r#""waits_ms": [999]"#), "waits_ms"),
        (operation(r#""result": "503""#), "result"),
        (operation(r#""attempts": 3"#), "attempts"),
        (operation(r#""stopped": "attempts""#), "stopped"),
        (operation(r#""outcome": "unknown""#), "outcome"),
        (operation(r#""balance": 10"#), "balance"),
        (
            r#""retry": {"operations": [{"answers": [{"status": 503}]}]}"#.to_owned(),
            "attempts: expected 1, found 2",
        ),
        (
            r#""backoff": {"waits": [{"retry": 2, "wait_ms": 2001}]}"#.to_owned(),
            "wait_ms before retry 2: expected 2001, found 2000",
        ),
        (
            r#""budget": {"terms": {"percent": 0, "reserve_per_second": 1},
                "steps": [{"do": "retry", "times": 11, "paid": 11}]}"#
                .to_owned(),
            "paid: expected 11, found 10",
        ),
        (
            r#""budget": {"steps": [{"do": "success", "balance": 1}]}"#.to_owned(),
            "balance",
        ),
    ];
    for (place, (story, difference)) in wrong.iter().enumerate() {
        let path = written(
            &format!("wrong-{place}.json"),
            &format!(
                r#"{{"scenarios": [
                    {{"id": "good", "about": "", "backoff": {{"waits": [{{"retry": 1, "wait_ms": 1000}}]}}}},
                    {{"id": "bad", "about": "", {story}}}
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
fn a_file_that_cannot_be_read_is_an_error_with_its_place_and_nothing_is_run() {
    let typo = r#"{"scenarios": [{"id": "x", "about": "", "backof": {"waits": []}}]}"#;
    let neither = r#"{"scenarios": [{"id": "x", "about": ""}]}"#;
    let both = r#"{"scenarios": [{"id": "x", "about": "", "backoff": {"waits": []}, "budget": {"steps": []}}]}"#;
    let bad = [
        written("retry-typo.json", typo),
        written("retry-neither.json", neither),
        written("retry-both.json", both),
        written("retry-cut.json", "{"),
        PathBuf::from("nowhere.json"),
    ];
    for path in bad {
        let mut all = files();
        all.push(path.clone());
        let output = run(&all);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(&path.display().to_string()), "{told}");
        assert!(output.stdout.is_empty(), "nothing was run");
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(run(&[]).status.code(), Some(2));
}
