//! `checkout --crash` and `--store`, as their users run them.

#![cfg(unix)]

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

async fn checkout(arguments: &[&str]) -> (Option<i32>, Value, Output) {
    let output = Command::new(env!("CARGO_BIN_EXE_checkout"))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let last = text.lines().next_back().unwrap_or_default();
    let report = serde_json::from_str(last).unwrap_or_default();
    (output.status.code(), report, output)
}

#[tokio::test]
async fn a_shop_that_is_killed_again_and_again_charges_every_order_once() {
    let arguments = [
        "--crash", "8", "--orders", "24", "--faults", "mild", "--seed", "5", "--json",
    ];
    let (code, report, _) = checkout(&arguments).await;
    assert_eq!(code, Some(0), "{report}");
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{report}"));
    for (name, value) in [
        ("paid", 24),
        ("charges_at_provider", 24),
        ("duplicate_charges", 0),
        ("lost_charges", 0),
    ] {
        assert_eq!(report[name], value, "{report}");
    }
    let crash = &report["crash"];
    assert_eq!(crash["kills"], 8);
    let (lenient, strict) = (&crash["re_execute"], &crash["refuse"]);
    for round in [lenient, strict] {
        assert_eq!((number(&round["kills"]), number(&round["orders"])), (4, 12));
    }
    // Of 8 kills at least one finds a request being executed: orders are let in before each.
    assert!(number(&lenient["live_claims_hit"]) + number(&strict["live_claims_hit"]) > 0);
    assert!(number(&lenient["re_executions"]) <= number(&lenient["live_claims_hit"]));
    assert_eq!(strict["re_executions"], 0);
    let clients = &report["clients"];
    assert!(
        number(&clients["cut_off"]) > 0 && number(&clients["recalled"]) > 12,
        "{clients}"
    );
    assert_eq!(
        (
            number(&clients["forgotten"]),
            number(&clients["wrong_answers"])
        ),
        (0, 0)
    );
    let states = &crash["states"];
    assert!(
        states["orders"].is_object() && states["requests"].is_object(),
        "{states}"
    );
}

#[tokio::test]
async fn a_second_run_on_the_same_file_goes_on_with_the_numbers_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", dir.path().join("shop.db").display());
    let arguments = [
        "--store", &store, "--orders", "20", "--faults", "mild", "--json",
    ];
    for _ in 0..2 {
        let (code, report, _) = checkout(&arguments).await;
        assert_eq!(code, Some(0), "{report}");
        let clients = &report["clients"];
        assert!(clients["replays"].as_u64() > Some(0), "{clients}");
        assert_eq!(report["crash"], Value::Null);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_words() {
    for (arguments, code, words) in [
        (&["--crash", "--store", "memory:"][..], 70, "memory:"),
        (&["--crash", "0"], 64, "--crash"),
        (&["--crash", "--outage"], 64, "cannot be used with"),
        (&["--store", "orders.db"], 64, "memory: or sqlite:PATH"),
        (
            &["--store", "sqlite:/nowhere/at/all.db"],
            70,
            "No such file",
        ),
    ] {
        let (found, _, output) = checkout(arguments).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(found, Some(code), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}
