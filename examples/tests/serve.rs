//! `checkout serve`, as a process of its own, against providers of all kinds.

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use examples::checkout::provider::{Fault, Provider, Settings};
use serde_json::json;
use support::shop::{Shop, command, order, provider_with, received};
use support::{Exchange, send};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn an_order_is_paid_once_however_often_it_is_placed() {
    let (shop, provider) = Shop::open(provider_with(&[])).await;
    let first = shop.post(&order("o-1", 500)).await;
    assert_eq!(first.status(), "201");
    let payment = first.json()["payment_id"].clone();
    assert_eq!(
        first.json(),
        json!({"order_id": "o-1", "payment_id": payment, "attempts": 1})
    );

    let again = shop.post(&order("o-1", 500)).await;
    assert_eq!(
        (again.status(), &again.json()["payment_id"]),
        ("200", &payment)
    );
    let page = shop.get("/orders/o-1").await;
    assert_eq!(
        (page.status(), &page.json()["payment_id"]),
        ("200", &payment)
    );

    let charges = provider.book().charges;
    assert_eq!(charges.len(), 1);
    let charge = &charges[0];
    assert_eq!(
        (
            charge.order_id.as_str(),
            charge.amount,
            charge.currency.as_str()
        ),
        ("o-1", 500, "usd")
    );
    assert_eq!(payment, charge.payment_id.as_str());
}

#[tokio::test]
async fn the_same_order_for_something_else_is_a_conflict() {
    let (shop, provider) = Shop::open(provider_with(&[])).await;
    shop.post(&order("o-1", 500)).await;
    let other_amount = shop.post(&order("o-1", 501)).await;
    let mut other_currency = order("o-1", 500);
    other_currency["currency"] = "eur".into();
    let other_currency = shop.post(&other_currency).await;
    for conflict in [other_amount, other_currency] {
        assert_eq!(conflict.status(), "409");
        assert_eq!(
            conflict.header("content-type"),
            Some("application/problem+json")
        );
    }
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn orders_placed_at_the_same_time_are_charged_once() {
    let (shop, provider) = Shop::open(provider_with(&[Fault::Hangs])).await;
    let order = order("o-1", 500);
    let placed = tokio::join!(
        shop.post(&order),
        shop.post(&order),
        shop.post(&order),
        shop.post(&order)
    );
    let mut placed: [Exchange; 4] = placed.into();
    placed.sort_by_key(|exchange| exchange.status().to_owned());
    let statuses: Vec<_> = placed.iter().map(Exchange::status).collect();
    assert_eq!(statuses, ["200", "200", "200", "201"]);
    let payment = &placed[0].json()["payment_id"];
    assert!(
        placed
            .iter()
            .all(|exchange| exchange.json()["payment_id"] == *payment)
    );
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn the_answer_counts_the_attempts_and_the_status_the_retries() {
    let (shop, _) = Shop::open(provider_with(&[
        Fault::Unavailable,
        Fault::ResetAfterCharging,
    ]))
    .await;
    let placed = shop.post(&order("o-1", 500)).await;
    assert_eq!(
        (placed.status(), &placed.json()["attempts"]),
        ("201", &json!(3))
    );
    let status = shop.status().await;
    assert_eq!(status["attempts"], 3);
    assert_eq!(status["retries"], json!({"503": 1, "reset": 1}));
    assert_eq!(
        (&status["pending"], &status["unknown"]),
        (&json!(0), &json!([]))
    );
}

#[tokio::test]
async fn an_order_that_nobody_knows_about_is_pending_until_a_search_finds_its_payment() {
    let (shop, provider) = Shop::open(provider_with(&[Fault::ResetAfterCharging; 3])).await;
    let placed = shop.post(&order("o-1", 500)).await;
    assert_eq!(
        (placed.status(), placed.header("location")),
        ("202", Some("/orders/o-1"))
    );

    let page = shop.settled("/orders/o-1").await;
    let charges = provider.book().charges;
    assert_eq!((page.status(), charges.len()), ("200", 1));
    assert_eq!(page.json()["payment_id"], charges[0].payment_id.as_str());
    assert_eq!(shop.status().await["reconciled"], 1);
}

#[tokio::test]
async fn without_a_search_the_charge_is_sent_again_under_its_key() {
    for fault in [Fault::ResetAfterCharging, Fault::ResetBeforeReading] {
        let settings = Settings {
            search: false,
            ..provider_with(&[fault; 3])
        };
        let (shop, provider) = Shop::open(settings).await;
        assert_eq!(shop.post(&order("o-1", 500)).await.status(), "202");
        assert_eq!(shop.settled("/orders/o-1").await.status(), "200");
        assert_eq!(provider.book().charges.len(), 1);
        assert_eq!(shop.status().await["driven_again"], 1);
    }
}

#[tokio::test]
async fn a_stored_failure_without_a_search_stays_unknown_and_never_gets_a_new_key() {
    for fault in [Fault::FailsBeforeCharging, Fault::FailsAfterCharging] {
        let settings = Settings {
            search: false,
            ..provider_with(&[fault])
        };
        let (shop, provider) = Shop::open(settings).await;
        assert_eq!(shop.post(&order("o-1", 500)).await.status(), "202");
        let before = provider.book();
        // Time for several looks: they come after 1 s, 2 s and 4 s at the latest.
        sleep(Duration::from_millis(3_500)).await;
        assert_eq!(shop.get("/orders/o-1").await.status(), "202");
        assert_eq!(shop.post(&order("o-1", 500)).await.status(), "202");
        let status = shop.status().await;
        assert_eq!(
            (&status["unknown"], &status["pending"]),
            (&json!(["o-1"]), &json!(1))
        );
        assert_eq!(provider.book(), before);
    }
}

#[tokio::test]
async fn a_stored_failure_after_the_charge_is_paid_once_the_search_finds_it() {
    let (shop, provider) = Shop::open(provider_with(&[Fault::FailsAfterCharging])).await;
    assert_eq!(shop.post(&order("o-1", 500)).await.status(), "202");
    assert_eq!(shop.settled("/orders/o-1").await.status(), "200");
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn while_the_provider_is_down_an_order_waits_and_is_not_unknown() {
    let reserved = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let shop = Shop::at(address).await;
    let (o_1, o_2) = (order("o-1", 500), order("o-2", 500));
    let placed = tokio::join!(shop.post(&o_1), shop.post(&o_2));
    assert_eq!((placed.0.status(), placed.1.status()), ("202", "202"));
    let status = shop.status().await;
    assert_eq!(
        (&status["pending"], &status["unknown"]),
        (&json!(2), &json!([]))
    );
    // Six attempts were made, and the fifth failure in a row opened the circuit.
    let circuit = &status["breaker"];
    assert_eq!(
        (&circuit["state"], &circuit["transitions"]),
        (&json!("open"), &json!(1))
    );
    assert_eq!(circuit["last"]["cause"], "consecutive_failures");

    let provider = Provider::new(provider_with(&[]));
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(provider.clone().serve(listener));
    for page in ["/orders/o-1", "/orders/o-2"] {
        assert_eq!(shop.settled(page).await.status(), "200");
    }
    assert_eq!(provider.book().charges.len(), 2);
    let circuit = &shop.status().await["breaker"];
    assert_eq!(circuit["state"], "closed");
    assert!(circuit["refused"].as_u64() > Some(0), "{circuit}");
}

#[tokio::test]
async fn a_wrong_api_key_executes_nothing_and_leaves_the_order_pending() {
    let settings = Settings {
        api_key: "another".into(),
        ..provider_with(&[])
    };
    let (shop, provider) = Shop::open(settings).await;
    assert_eq!(shop.post(&order("o-1", 500)).await.status(), "202");
    assert_eq!(shop.status().await["unknown"], json!([]));
    assert_eq!(provider.book().charges.len(), 0);
}

#[tokio::test]
async fn a_refused_card_is_402_whenever_one_asks() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(answer_all(
        listener,
        "HTTP/1.1 402 Payment Required",
        r#"{"error": {"type": "card_error", "decline_code": "insufficient_funds"}}"#,
    ));
    let shop = Shop::at(address).await;
    let first = shop.post(&order("o-1", 500)).await;
    let again = shop.post(&order("o-1", 500)).await;
    let page = shop.get("/orders/o-1").await;
    for refused in [first, again, page] {
        assert_eq!(refused.status(), "402");
        assert_eq!(refused.json()["detail"], "insufficient_funds");
    }
    assert_eq!(shop.status().await["attempts"], 1);
}

/// A provider that says the same to everybody.
async fn answer_all(listener: TcpListener, first_line: &str, body: &str) {
    let length = body.len();
    let answer =
        format!("{first_line}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 8 * 1024];
        if stream.read(&mut request).await.is_ok() {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn bad_input_is_400_with_a_problem_that_names_the_field() {
    let (shop, provider) = Shop::open(provider_with(&[])).await;
    for (body, field) in [
        ("", "body"),
        ("{", "body"),
        ("[1]", "body"),
        (r#"{"amount": 5, "currency": "usd"}"#, "order_id"),
        (
            r#"{"order_id": "a b", "amount": 5, "currency": "usd"}"#,
            "order_id",
        ),
        (r#"{"order_id": "o", "currency": "usd"}"#, "amount"),
        (
            r#"{"order_id": "o", "amount": -5, "currency": "usd"}"#,
            "amount",
        ),
        (
            r#"{"order_id": "o", "amount": 1e400, "currency": "usd"}"#,
            "body",
        ),
        (
            r#"{"order_id": "o", "amount": 18446744073709551616, "currency": "usd"}"#,
            "amount",
        ),
        (
            r#"{"order_id": "o", "amount": 5, "currency": "dollars"}"#,
            "currency",
        ),
        (
            r#"{"order_id": "o", "amount": 5, "currency": "usd", "ammount": 6}"#,
            "ammount",
        ),
    ] {
        let refused = shop.post_text(body).await;
        assert_eq!(refused.status(), "400", "{body}");
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(refused.json()["field"], field, "{body}");
        assert_eq!(refused.json()["status"], 400);
    }
    assert_eq!(provider.book().requests, 0);
    assert_eq!(shop.status().await["orders"], 0);
}

#[tokio::test]
async fn what_is_no_order_at_all_is_refused_with_a_problem() {
    let (shop, _) = Shop::open(provider_with(&[])).await;
    let form = "POST /orders HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded";
    let long = order(&"x".repeat(20_000), 5).to_string();
    for (answer, status) in [
        (send(shop.address, form, "order_id=o").await, "415"),
        (
            send(
                shop.address,
                "POST /orders HTTP/1.1",
                &order("o", 5).to_string(),
            )
            .await,
            "415",
        ),
        (shop.post_text(&long).await, "413"),
        (shop.get("/orders").await, "405"),
        (shop.get("/orders/unheard-of").await, "404"),
        (shop.get("/orders/%FF").await, "404"),
        (shop.get("/nowhere").await, "404"),
        (
            send(shop.address, "DELETE /orders/o HTTP/1.1", "").await,
            "405",
        ),
    ] {
        assert_eq!(answer.status(), status, "{}", answer.text);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json()["status"].to_string(), status);
    }
}

#[tokio::test]
async fn a_media_type_with_a_parameter_is_json_too() {
    let (shop, _) = Shop::open(provider_with(&[])).await;
    let head = "POST /orders HTTP/1.1\r\ncontent-type: Application/JSON; charset=utf-8";
    assert_eq!(
        send(shop.address, head, &order("o", 5).to_string())
            .await
            .status(),
        "201"
    );
}

#[tokio::test]
async fn a_buyer_who_hangs_up_does_not_stop_the_charge() {
    let settings = Settings {
        hang: Duration::from_millis(500),
        ..provider_with(&[Fault::Hangs])
    };
    let (shop, provider) = Shop::open(settings).await;
    let gone = timeout(Duration::from_millis(200), shop.post(&order("o-1", 500))).await;
    assert!(gone.is_err());
    assert_eq!(shop.settled("/orders/o-1").await.status(), "200");
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn told_to_stop_it_finishes_the_attempt_that_has_begun() {
    for signal in ["INT", "TERM"] {
        let settings = Settings {
            hang: Duration::from_secs(1),
            ..provider_with(&[Fault::Hangs])
        };
        let (shop, provider) = Shop::open(settings).await;
        let body = order("o-1", 500);
        let signal = async {
            received(&provider, 1).await;
            shop.interrupt(signal);
        };
        let (placed, ()) = tokio::join!(shop.post(&body), signal);
        assert_eq!(placed.status(), "201");
        assert!(shop.ended().await.status.success());
        assert_eq!(provider.book().charges.len(), 1);
    }
}

#[tokio::test]
async fn told_to_stop_it_begins_no_new_attempt_and_keeps_what_is_unknown() {
    let (shop, provider) = Shop::open(provider_with(&[Fault::UnavailableFor])).await;
    let body = order("o-1", 500);
    let signal = async {
        received(&provider, 1).await;
        shop.interrupt("INT");
    };
    let (placed, ()) = tokio::join!(shop.post(&body), signal);
    assert_eq!(placed.status(), "202");
    let output = shop.ended().await;
    assert!(output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("pending: o-1 unknown after 1 attempt"),
        "{words}"
    );
    assert_eq!(
        (provider.book().requests, provider.book().charges.len()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let settings = Settings {
        hang: Duration::from_mins(1),
        ..provider_with(&[Fault::Hangs])
    };
    let (shop, _) = Shop::open(settings).await;
    let body = order("o-1", 500);
    assert!(
        timeout(Duration::from_millis(300), shop.post(&body))
            .await
            .is_err()
    );
    shop.interrupt("INT");
    sleep(Duration::from_millis(300)).await;
    shop.interrupt("INT");
    let output = timeout(Duration::from_secs(5), shop.ended()).await.unwrap();
    assert_eq!(output.status.code(), Some(70));
}

#[tokio::test]
async fn a_wrong_environment_is_named_and_nothing_is_served() {
    for (variables, named) in [
        (&[("PROVIDER_URL", "")], "PROVIDER_URL"),
        (&[("PROVIDER_URL", "not a url")], "PROVIDER_URL"),
        (&[("STORE", "orders.db")], "STORE"),
        (&[("LISTEN", "nowhere")], "LISTEN"),
    ] {
        let output = command(variables).output().await.unwrap();
        assert_eq!(output.status.code(), Some(70));
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains(named), "{words}");
    }
}
