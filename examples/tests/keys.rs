//! `POST /orders` of `checkout serve` with an `Idempotency-Key`.

mod support;

use std::time::Duration;

use examples::checkout::provider::{Fault, Settings};
use serde_json::json;
use support::Exchange;
use support::shop::{Shop, order, provider_with};

fn is_replay(exchange: &Exchange) -> bool {
    exchange.header("idempotent-replayed") == Some("true")
}

#[tokio::test]
async fn a_repeat_is_given_the_first_answer_and_another_body_is_refused() {
    let (shop, provider) = Shop::open(provider_with(&[])).await;
    let first = shop.post_under("k-1", &order("o-1", 500)).await;
    assert_eq!((first.status(), is_replay(&first)), ("201", false));

    // 201 again, where the same order without the key is 200: it is the first answer.
    let again = shop.post_under("\"k-1\"", &order("o-1", 500)).await;
    assert_eq!((again.status(), is_replay(&again)), ("201", true));
    assert_eq!(again.body(), first.body());
    assert_eq!(shop.post(&order("o-1", 500)).await.status(), "200");

    for other in [order("o-1", 501), order("o-2", 500)] {
        let refused = shop.post_under("k-1", &other).await;
        assert_eq!(refused.status(), "422");
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
    }
    assert_eq!(
        shop.post_under("", &order("o-1", 500)).await.status(),
        "400"
    );
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn what_is_pending_when_it_is_answered_is_pending_in_the_replay_and_paid_where_it_points() {
    let (shop, provider) = Shop::open(provider_with(&[Fault::ResetAfterCharging; 3])).await;
    let first = shop.post_under("k-1", &order("o-1", 500)).await;
    assert_eq!(first.status(), "202");
    let page = shop.settled(first.header("location").unwrap()).await;
    assert_eq!(page.status(), "200");
    let again = shop.post_under("k-1", &order("o-1", 500)).await;
    assert_eq!((again.status(), is_replay(&again)), ("202", true));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn whoever_hangs_up_and_comes_back_gets_the_answer_of_the_one_execution() {
    let settings = Settings {
        hang: Duration::from_millis(700),
        ..provider_with(&[Fault::Hangs])
    };
    let (shop, provider) = Shop::open(settings).await;
    let body = order("o-1", 500);
    shop.post_and_hang_up(Some("k-1"), &body, &provider).await;
    // While the first is being executed.
    let again = shop.post_under("k-1", &body).await;
    assert_eq!((again.status(), is_replay(&again)), ("201", true));
    assert_eq!(again.json()["attempts"], 1);
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn of_those_who_race_one_is_executed_and_all_are_told_the_same() {
    let settings = Settings {
        hang: Duration::from_millis(500),
        ..provider_with(&[Fault::Hangs])
    };
    let (shop, provider) = Shop::open(settings).await;
    let body = order("o-1", 500);
    let post = || shop.post_under("k-1", &body);
    let answers: [Exchange; 4] = tokio::join!(post(), post(), post(), post()).into();
    assert!(answers.iter().all(|answer| answer.status() == "201"));
    assert!(
        answers
            .iter()
            .all(|answer| answer.body() == answers[0].body())
    );
    assert_eq!(answers.iter().filter(|answer| is_replay(answer)).count(), 3);
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn an_order_keeps_what_it_was_placed_for_whatever_the_key() {
    let (shop, provider) = Shop::open(provider_with(&[])).await;
    assert_eq!(
        shop.post_under("k-1", &order("o-1", 500)).await.status(),
        "201"
    );
    // A conflict has changed nothing, so its key is free.
    for _ in 0..2 {
        let conflict = shop.post_under("k-2", &order("o-1", 501)).await;
        assert_eq!((conflict.status(), is_replay(&conflict)), ("409", false));
    }
    assert_eq!(
        shop.post_under("k-2", &order("o-1", 500)).await.status(),
        "200"
    );
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn told_to_stop_it_records_what_nobody_waits_for_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", dir.path().join("shop.db").display());
    let settings = Settings {
        hang: Duration::from_millis(700),
        ..provider_with(&[Fault::Hangs])
    };
    let (provider, address) = support::serve(settings).await;
    let shop = Shop::with(address, &store).await;
    let body = order("o-1", 500);
    shop.post_and_hang_up(Some("k-1"), &body, &provider).await;
    shop.interrupt("TERM");
    assert!(shop.ended().await.status.success());

    let shop = Shop::with(address, &store).await;
    let again = shop.post_under("k-1", &body).await;
    assert_eq!((again.status(), is_replay(&again)), ("201", true));
    assert_eq!(provider.book().requests, 1);
    assert_eq!(shop.status().await["pending"], json!(0));
}
