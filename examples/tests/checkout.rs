//! The main job as its users run it: `checkout`, its exit codes, and the last line of its output.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

async fn checkout(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_checkout"))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

fn last_line(output: &Output) -> Value {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let line = text.lines().next_back().unwrap();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn sum(object: &Value) -> u64 {
    object
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum()
}

#[tokio::test]
async fn a_severe_run_pays_every_order_exactly_once_and_says_so() {
    let output = checkout(&[
        "--orders",
        "60",
        "--concurrency",
        "20",
        "--seed",
        "7",
        "--json",
    ])
    .await;
    let report = last_line(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    for (name, value) in [
        ("orders", 60),
        ("paid", 60),
        ("charges_at_provider", 60),
        ("duplicate_charges", 0),
        ("lost_charges", 0),
        ("seed", 7),
    ] {
        assert_eq!(report[name], value, "{name}");
    }
    assert!(report["reconciled"].as_u64().unwrap() > 0);
    assert!(report["wall_s"].as_f64().unwrap() > 0.0);
    assert!(sum(&report["faults"]) > 60);
    let (attempts, retries) = (
        report["attempts"].as_u64().unwrap(),
        sum(&report["retries"]),
    );
    assert!(
        retries > 0 && attempts >= 60 + retries,
        "{attempts} attempts, {retries} retries"
    );
}

#[tokio::test]
async fn an_outage_opens_the_circuit_and_every_order_is_paid_once_it_is_over() {
    let output = checkout(&[
        "--orders", "100", "--seed", "5", "--faults", "mild", "--outage", "4", "--json",
    ])
    .await;
    let report = last_line(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(
        (&report["paid"], &report["charges_at_provider"]),
        (&Value::from(100), &Value::from(100))
    );
    let circuit = &report["breaker"];
    let outage = &circuit["outage"];
    let number = |name: &str| {
        outage[name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}: {report}"))
    };
    assert!((number("length_s") - 4.0).abs() < 1e-9);
    assert!(number("time_to_open_s") < 4.0, "{outage}");
    // It is open for 1.1 s at the longest, and most probes work.
    assert!(number("time_to_recover_s") < 10.0, "{outage}");
    assert!(number("refused") > 0.0, "{outage}");
    assert_eq!(circuit["state"], "closed");
    let changes = circuit["changes"].as_array().unwrap();
    assert_eq!(changes.first().unwrap()["to"], "open");
    assert_eq!(changes.last().unwrap()["to"], "closed");
    // Operations that the circuit refused were not sent.
    assert!(
        report["attempts"].as_f64().unwrap() < number("refused"),
        "{report}"
    );
    assert!(report["wall_s"].as_f64().unwrap() > 4.0);
}

#[tokio::test]
async fn an_outage_is_told_to_people_too_and_lasts_ten_seconds_unless_told() {
    let output = checkout(&["--orders", "40", "--faults", "off", "--outage"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    for words in [
        "outage      10.0 s; open after",
        "calls refused",
        "closed again",
        "half open",
    ] {
        assert!(table.contains(words), "{table}");
    }
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
}

#[tokio::test]
async fn without_faults_every_order_takes_one_attempt() {
    let output = checkout(&["--orders", "30", "--faults", "off", "--json"]).await;
    let report = last_line(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(
        (report["paid"].as_u64(), report["attempts"].as_u64()),
        (Some(30), Some(30))
    );
    assert_eq!(sum(&report["retries"]) + sum(&report["faults"]), 0);
}

#[tokio::test]
async fn a_seed_that_was_drawn_is_told_before_the_run() {
    let output = checkout(&["--orders", "10", "--faults", "off", "--json"]).await;
    let seed = format!("seed {}", last_line(&output)["seed"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().next(), Some(&*seed), "{told}");
}

#[tokio::test]
async fn a_report_that_nobody_reads_changes_no_exit_code() {
    for format in [&["--json"][..], &[]] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_checkout"))
            .args(["--orders", "5", "--faults", "off"])
            .args(format)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        drop(run.stdout.take());
        let ended = run.wait_with_output().await.unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{format:?}: {said}");
    }
}

#[tokio::test]
async fn for_people_there_is_a_table_without_a_colour_where_there_is_no_terminal() {
    let output = checkout(&["--orders", "20", "--faults", "mild", "--seed", "3"]).await;
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    for words in [
        "20 orders, 16 at a time, mild faults, seed 3",
        "20 of 20",
        "exactly once",
    ] {
        assert!(table.contains(words), "{table}");
    }
    assert!(!table.contains('\x1b'));
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(progress.contains("20/20 settled"), "{progress}");
}

#[tokio::test]
async fn a_wrong_command_line_has_a_code_of_its_own() {
    for wrong in [
        &["--faults", "some"][..],
        &["--concurrency", "0"],
        &["--outage", "0"],
        &["--unheard-of"],
        &["refund"],
    ] {
        assert_eq!(checkout(wrong).await.status.code(), Some(64), "{wrong:?}");
    }
    assert_eq!(checkout(&["--help"]).await.status.code(), Some(0));
}
