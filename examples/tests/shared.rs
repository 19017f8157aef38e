//! `checkout` on a server that several shops share, as its users run it.

#![cfg(all(unix, feature = "postgres", feature = "redis"))]

use examples::checkout::provider::Fault;
use serde_json::Value;
use support::shop::{Shop, order, provider_with};
use tokio::process::Command;

#[path = "../../crates/store-postgres/tests/server/mod.rs"]
mod postgres;
#[path = "../../crates/store-redis/tests/support/server.rs"]
#[allow(dead_code, reason = "this uses a part of it")]
mod redis;
mod support;

/// A schema that is no other test's.
async fn in_postgres() -> String {
    let server = postgres::Server::shared();
    let (role, port) = (server.role().await, server.port());
    format!("postgres://{role}@127.0.0.1:{port}/postgres")
}

#[tokio::test]
async fn shops_that_are_killed_charge_every_order_in_postgres_once() {
    killed_shops_charge_every_order_once(&in_postgres().await).await;
}

#[tokio::test]
async fn shops_that_are_killed_charge_every_order_in_redis_once() {
    let server = redis::Server::durable().await;
    killed_shops_charge_every_order_once(&server.url()).await;
}

#[tokio::test]
async fn what_one_shop_answered_another_answers_from_postgres() {
    another_shop_answers(&in_postgres().await).await;
}

#[tokio::test]
async fn what_one_shop_answered_another_answers_from_redis() {
    let server = redis::Server::start().await;
    another_shop_answers(&server.url()).await;
}

/// Twice on one store: the second run goes on with the numbers of the first.
async fn killed_shops_charge_every_order_once(store: &str) {
    for seed in ["5", "6"] {
        let report = checkout(&[
            "--store", store, "--crash", "4", "--orders", "24", "--faults", "mild", "--seed", seed,
            "--json",
        ])
        .await;
        for (name, value) in [
            ("paid", 24),
            ("charges_at_provider", 24),
            ("duplicate_charges", 0),
            ("lost_charges", 0),
        ] {
            assert_eq!(report[name], value, "{report}");
        }
        assert_eq!(report["crash"]["kills"], 4, "{report}");
        assert_eq!(report["crash"]["refuse"]["re_executions"], 0, "{report}");
        assert_eq!(report["clients"]["forgotten"], 0, "{report}");
        assert_eq!(report["clients"]["wrong_answers"], 0, "{report}");
    }
}

async fn checkout(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_checkout"))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = std::str::from_utf8(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_str(text.lines().next_back().unwrap()).unwrap()
}

async fn another_shop_answers(store: &str) {
    let (provider, address) = support::serve(provider_with(&[Fault::Hangs])).await;
    let (first, second) = (
        Shop::with(address, store).await,
        Shop::with(address, store).await,
    );
    let body = order("o-1", 500);
    // The one executes the request, the other waits for its answer.
    let (one, other) = tokio::join!(
        first.post_under("k-1", &body),
        second.post_under("k-1", &body)
    );
    assert_eq!((one.status(), other.body()), (other.status(), one.body()));
    let replayed = |answer: &support::Exchange| answer.header("idempotent-replayed").is_some();
    assert!(replayed(&one) != replayed(&other), "{one:?} {other:?}");

    let page = first.settled("/orders/o-1").await;
    first.kill().await;
    assert_eq!(second.get("/orders/o-1").await.body(), page.body());
    let again = second.post_under("k-1", &body).await;
    assert_eq!((again.status(), again.body()), (one.status(), one.body()));
    let misused = second.post_under("k-1", &order("o-1", 501)).await;
    assert_eq!(misused.status(), "422");
    assert_eq!(provider.book().charges.len(), 1);
}
