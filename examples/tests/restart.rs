//! `checkout serve` on a file: what one process leaves, the next one goes on with.

mod support;

use std::time::Duration;

use examples::checkout::provider::{Fault, Settings};
use support::shop::{Shop, command, order, provider_with, received};
use tempfile::TempDir;
use tokio::time::sleep;

/// Long enough to kill a shop meanwhile, on a busy machine too.
const HANG: Duration = Duration::from_millis(1_500);

/// A place for a file, and how the shop is told of it.
fn file() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", dir.path().join("shop.db").display());
    (dir, store)
}

#[tokio::test]
async fn what_was_answered_before_a_kill_is_answered_after_it() {
    let (_dir, store) = file();
    let (provider, address) = support::serve(provider_with(&[])).await;
    let shop = Shop::with(address, &store).await;
    let first = shop.post_under("k-1", &order("o-1", 500)).await;
    assert_eq!(first.status(), "201");
    shop.kill().await;

    let shop = Shop::with(address, &store).await;
    let again = shop.post_under("k-1", &order("o-1", 500)).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!((again.status(), again.body()), ("201", first.body()));
    assert_eq!(
        shop.post_under("k-1", &order("o-1", 501)).await.status(),
        "422"
    );
    let page = shop.get("/orders/o-1").await;
    assert_eq!((page.status(), page.body()), ("200", first.body()));
    assert_eq!(shop.post(&order("o-1", 501)).await.status(), "409");
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn an_order_that_was_pending_is_driven_on_under_the_same_key() {
    for search in [true, false] {
        let (_dir, store) = file();
        let settings = Settings {
            search,
            // The first charge runs on when its caller is dead.
            hang: HANG,
            ..provider_with(&[Fault::Hangs])
        };
        let (provider, address) = support::serve(settings).await;
        let shop = Shop::with(address, &store).await;
        let body = order("o-1", 500);
        shop.post_and_hang_up(None, &body, &provider).await;
        shop.kill().await;

        // Nobody asks for it. Without a search it is sent again, and under another key that would
        // be a second charge.
        let shop = Shop::with(address, &store).await;
        assert_eq!(shop.settled("/orders/o-1").await.status(), "200");
        sleep(HANG).await;
        assert_eq!(provider.book().charges.len(), 1);
        assert_eq!(shop.status().await["reconciled"], 1);
    }
}

#[tokio::test]
async fn a_request_whose_execution_was_lost_is_executed_again_and_its_order_is_not() {
    let (_dir, store) = file();
    let settings = Settings {
        hang: HANG,
        ..provider_with(&[Fault::Hangs])
    };
    let (provider, address) = support::serve(settings).await;
    let shop = Shop::with(address, &store).await;
    let body = order("o-1", 500);
    shop.post_and_hang_up(Some("k-1"), &body, &provider).await;
    shop.kill().await;

    let shop = Shop::with(address, &store).await;
    let answer = shop.post_under("k-1", &body).await;
    assert_eq!(answer.header("idempotent-replayed"), None);
    // Paid, or pending with a page: as it stood when the repeat came.
    assert!(["201", "202"].contains(&answer.status()), "{}", answer.text);
    assert_eq!(shop.settled("/orders/o-1").await.status(), "200");
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn orders_that_were_drained_are_gone_on_with() {
    let (_dir, store) = file();
    let (provider, address) = support::serve(provider_with(&[Fault::UnavailableFor])).await;
    let shop = Shop::with(address, &store).await;
    let body = order("o-1", 500);
    let signal = async {
        received(&provider, 1).await;
        shop.interrupt("INT");
    };
    let (placed, ()) = tokio::join!(shop.post(&body), signal);
    assert_eq!(placed.status(), "202");
    let words = String::from_utf8(shop.ended().await.stderr).unwrap();
    assert!(words.contains("pending: o-1 unknown"), "{words}");

    let shop = Shop::with(address, &store).await;
    assert_eq!(shop.settled("/orders/o-1").await.status(), "200");
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_named_and_nothing_is_served() {
    let (_dir, taken) = file();
    let (_, address) = support::serve(provider_with(&[])).await;
    let _open = Shop::with(address, &taken).await;
    let folder = std::env::temp_dir();
    let provider = format!("http://{address}");
    for (store, cause) in [
        ("orders.db", "memory: or sqlite:PATH"),
        ("sqlite:", "memory: or sqlite:PATH"),
        ("sqlite:/nowhere/at/all/shop.db", "No such file"),
        (&format!("sqlite:{}", folder.display()), "store unavailable"),
        (&*taken, "is locked by process"),
    ] {
        let variables = [("PROVIDER_URL", &*provider), ("STORE", store)];
        let output = command(&variables).output().await.unwrap();
        assert_eq!(output.status.code(), Some(70), "{store}");
        let words = String::from_utf8(output.stderr).unwrap();
        let is_named = words.contains(&format!("STORE={store}")) && words.contains(cause);
        assert!(is_named && output.stdout.is_empty(), "{store}: {words}");
    }
}
