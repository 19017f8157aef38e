//! The committed vectors: each as expected, and the runner tells when one is not.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::vectors::webhook::Vector;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/webhooks.json");

fn vectors() -> Vec<Vector> {
    Vector::parse(include_str!("../vectors/webhooks.json")).unwrap()
}

/// What the runner prints, and its exit code.
fn run(files: &[&str]) -> (String, Option<i32>) {
    let program = env!("CARGO_BIN_EXE_webhook_vectors");
    let output = Command::new(program).args(files).output().unwrap();
    assert_eq!(output.status.code() == Some(2), !output.stderr.is_empty());
    let printed = String::from_utf8(output.stdout).unwrap();
    (printed, output.status.code())
}

fn run_text(name: &str, text: &str) -> (String, Option<i32>) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    run(&[path.to_str().unwrap()])
}

/// The committed vectors, with one member of the first that is `confirmed` or not set to this.
fn changed(name: &str, confirmed: bool, member: &str, value: Value) -> (String, Option<i32>) {
    let mut vectors: Value =
        serde_json::from_str(include_str!("../vectors/webhooks.json")).unwrap();
    let vectors = vectors.as_array_mut().unwrap();
    let vector = vectors
        .iter_mut()
        .find(|vector| vector["confirmed"] == confirmed);
    vector.unwrap()[member] = value;
    run_text(name, &json!(vectors).to_string())
}

#[test]
fn the_committed_file_passes() {
    let expected = ("202 passed, 0 failed\n".to_owned(), Some(0));
    assert_eq!(run(&[FILE]), expected);
}

#[test]
fn a_difference_is_printed_with_its_id_and_ends_in_1() {
    let expected = "standard-webhooks/valid: expected Reject (valid signature), got Ok (accepted)\n201 passed, 1 failed\n";
    let ended = changed("flipped.json", true, "expect", json!("reject"));
    assert_eq!(ended, (expected.to_owned(), Some(1)));
    let expected = "standard-webhooks/valid: unknown provider\n201 passed, 1 failed\n";
    let ended = changed("unknown.json", true, "provider", json!("nobody"));
    assert_eq!(ended, (expected.to_owned(), Some(1)));
}

#[test]
fn a_difference_of_an_unconfirmed_vector_is_listed_and_not_counted() {
    let expected = "standard-webhooks-v1a/valid: unconfirmed, not counted: expected Reject (valid), got Ok (accepted)\n202 passed, 0 failed\n";
    let ended = changed("unconfirmed.json", false, "expect", json!("reject"));
    assert_eq!(ended, (expected.to_owned(), Some(0)));
}

#[test]
fn a_file_that_cannot_be_read_ends_in_2() {
    for text in ["", "no JSON", "{}", "[{}]"] {
        assert_eq!(run_text("broken.json", text), (String::new(), Some(2)));
    }
    assert_eq!(
        changed("maybe.json", true, "expect", json!("maybe")),
        (String::new(), Some(2))
    );
    assert_eq!(run(&["/nowhere.json"]), (String::new(), Some(2)));
    assert_eq!(run(&[]), (String::new(), Some(2)));
}

#[tokio::test]
async fn every_vector_comes_out_as_expected() {
    let mut differences = Vec::new();
    for vector in vectors() {
        if let Some(difference) = vector.difference().await {
            differences.push(format!("{}: {difference}", vector.id));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn a_difference_is_found_and_told() {
    let mut text: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/webhooks.json")).unwrap();
    text[0]["expect"] = "reject".into();
    let vectors = Vector::parse(&text.to_string()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let difference = runtime.block_on(vectors[0].difference());
    assert_eq!(
        difference.as_deref(),
        Some("expected Reject (valid signature), got Ok (accepted)")
    );
}
