//! The provider keeps Stripe's key semantics, and misbehaves as planned and not otherwise.

mod support;

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use examples::checkout::provider::{Fault, Plan, Provider, Settings};
use support::{Exchange, send, serve};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

const HANG: Duration = Duration::from_millis(400);
const FORM: &str =
    "amount=500&currency=usd&confirm=true&payment_method=pm_card_visa&metadata%5Border_id%5D=o-1";
const REPLAYED: &str = "idempotent-replayed: true";

/// A provider that meets these faults in this order, and where it listens.
async fn provider(faults: &[Fault]) -> (Provider, SocketAddr) {
    let script = faults.iter().copied().map(Some).collect();
    serve(Settings {
        hang: HANG,
        indexing: Duration::ZERO,
        ..Settings::new("sk", Plan::Script(script))
    })
    .await
}

async fn charge(address: SocketAddr, key: &str) -> Exchange {
    let head = format!(
        "POST /v1/payment_intents HTTP/1.1\r\nauthorization: Bearer sk\r\nidempotency-key: {key}"
    );
    send(address, &head, FORM).await
}

async fn search(address: SocketAddr, order: &str) -> Exchange {
    let query = format!("query=metadata%5B%27order_id%27%5D%3A%27{order}%27");
    let head =
        format!("GET /v1/payment_intents/search?{query} HTTP/1.1\r\nauthorization: Bearer sk");
    send(address, &head, "").await
}

#[tokio::test]
async fn the_first_answer_is_replayed_to_the_same_key() {
    let (provider, address) = provider(&[]).await;
    let first = charge(address, "k").await;
    let again = charge(address, "k").await;
    assert_eq!((first.status(), again.status()), ("200", "200"));
    assert!(!first.says(REPLAYED) && again.says(REPLAYED));
    assert!(first.says("pi_000001") && again.says("pi_000001"));
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn another_key_and_no_key_charge_again() {
    let (provider, address) = provider(&[]).await;
    charge(address, "k").await;
    charge(address, "other").await;
    let head = "POST /v1/payment_intents HTTP/1.1\r\nauthorization: Bearer sk";
    send(address, head, FORM).await;
    assert_eq!(provider.book().charges.len(), 3);
}

#[tokio::test]
async fn refusals_before_the_key_execute_and_store_nothing() {
    for (fault, status) in [
        (Fault::Unavailable, "503"),
        (Fault::UnavailableFor, "503"),
        (Fault::TooManyRequests, "429"),
    ] {
        let (provider, address) = provider(&[fault]).await;
        let refused = charge(address, "k").await;
        assert_eq!(refused.status(), status);
        assert_eq!(
            refused.says("retry-after: 1"),
            fault == Fault::UnavailableFor
        );
        assert_eq!(provider.book().charges.len(), 0);
        let charged = charge(address, "k").await;
        assert!(charged.status() == "200" && !charged.says(REPLAYED));
    }
}

#[tokio::test]
async fn a_500_is_stored_whether_it_came_before_the_charge_or_after() {
    for (fault, charges) in [
        (Fault::FailsBeforeCharging, 0),
        (Fault::FailsAfterCharging, 1),
    ] {
        let (provider, address) = provider(&[fault]).await;
        let first = charge(address, "k").await;
        let again = charge(address, "k").await;
        assert_eq!((first.status(), again.status()), ("500", "500"));
        assert!(!first.says(REPLAYED) && again.says(REPLAYED));
        assert_eq!(provider.book().charges.len(), charges);
        assert_eq!(provider.book().faults[fault.name()], 1);
    }
}

#[tokio::test]
async fn a_reset_before_reading_charges_nothing_and_one_after_charging_does() {
    for (fault, charges) in [
        (Fault::ResetBeforeReading, 0),
        (Fault::ResetAfterCharging, 1),
    ] {
        let (provider, address) = provider(&[fault]).await;
        let cut = charge(address, "k").await;
        assert_eq!(cut.end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(cut.text, "");
        assert_eq!(provider.book().charges.len(), charges);
        assert_eq!(charge(address, "k").await.says(REPLAYED), charges == 1);
        assert_eq!(provider.book().requests, 2);
    }
}

#[tokio::test]
async fn a_request_in_pieces_is_reset_as_well() {
    let (provider, address) = provider(&[Fault::ResetBeforeReading]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = FORM.len();
    let head = "POST /v1/payment_intents HTTP/1.1\r\nhost: p\r\nauthorization: Bearer sk\r\n";
    stream
        .write_all(format!("{head}content-length: {length}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.write_all(FORM.as_bytes()).await.unwrap();
    let end = stream.read_to_end(&mut Vec::new()).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(provider.book().charges.len(), 0);
}

#[tokio::test]
async fn while_a_charge_hangs_its_key_is_in_flight_and_hanging_up_does_not_stop_it() {
    let (provider, address) = provider(&[Fault::Hangs]).await;
    assert!(timeout(HANG / 4, charge(address, "k")).await.is_err());
    assert_eq!(charge(address, "k").await.status(), "409");
    assert_eq!(provider.book().charges.len(), 0);
    tokio::time::sleep(HANG).await;
    assert_eq!(provider.book().charges.len(), 1);
    assert!(charge(address, "k").await.says(REPLAYED));
}

#[tokio::test]
async fn a_slow_body_arrives_whole_in_its_time() {
    let (provider, address) = provider(&[Fault::SlowBody]).await;
    let started = Instant::now();
    let slow = charge(address, "k").await;
    assert!(slow.end.is_ok() && slow.text.ends_with('}'));
    assert!(
        started.elapsed() >= HANG * 9 / 10,
        "{:?}",
        started.elapsed()
    );
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn a_truncated_body_ends_before_its_announced_length() {
    let (provider, address) = provider(&[Fault::TruncatedBody]).await;
    let cut = charge(address, "k").await;
    let (announced, body) = (cut.header("content-length").unwrap(), cut.body());
    let announced: usize = announced.parse().unwrap();
    assert!(
        !body.is_empty() && body.len() < announced,
        "{} of {announced}",
        body.len()
    );
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn other_parameters_under_a_key_are_an_error() {
    let (provider, address) = provider(&[]).await;
    charge(address, "k").await;
    let head =
        "POST /v1/payment_intents HTTP/1.1\r\nauthorization: Bearer sk\r\nidempotency-key: k";
    let other = send(address, head, &FORM.replace("500", "501")).await;
    assert_eq!(other.status(), "400");
    assert!(other.says("idempotency_error"));
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn what_is_not_authorized_or_not_valid_is_refused_and_not_stored() {
    let (provider, address) = provider(&[]).await;
    let head = "POST /v1/payment_intents HTTP/1.1\r\nidempotency-key: k";
    assert_eq!(send(address, head, FORM).await.status(), "401");
    let head = format!("{head}\r\nauthorization: Bearer sk");
    for wrong in [
        "amount=x&",
        "amount=0&",
        "amount=-5&",
        "amount=100000000&",
        "",
    ] {
        let form = FORM.replace("amount=500&", wrong);
        assert_eq!(send(address, &head, &form).await.status(), "400", "{form}");
    }
    assert_eq!(charge(address, "k").await.status(), "200");
    assert_eq!(provider.book().charges.len(), 1);
}

#[tokio::test]
async fn a_declined_card_is_not_charged() {
    let (provider, address) = provider(&[]).await;
    let head =
        "POST /v1/payment_intents HTTP/1.1\r\nauthorization: Bearer sk\r\nidempotency-key: k";
    let form = FORM.replace("pm_card_visa", "pm_card_chargeDeclined");
    let declined = send(address, head, &form).await;
    assert_eq!(declined.status(), "402");
    assert!(declined.says("card_error"));
    assert!(send(address, head, &form).await.says(REPLAYED));
    assert_eq!(provider.book().charges.len(), 0);
}

#[tokio::test]
async fn a_key_is_forgotten_once_the_clock_has_been_moved_past_its_retention() {
    let (provider, address) = provider(&[]).await;
    charge(address, "k").await;
    let day = 24 * 60 * 60;
    let head = format!("POST /_audit/clock?advance_s={day} HTTP/1.1");
    assert_eq!(send(address, &head, "").await.status(), "200");
    assert!(!charge(address, "k").await.says(REPLAYED));
    assert_eq!(provider.book().charges.len(), 2);
}

#[tokio::test]
async fn a_search_finds_the_payments_of_one_order_once_they_are_indexed() {
    let indexing = Duration::from_millis(300);
    let (_, address) = serve(Settings {
        indexing,
        ..Settings::new("sk", Plan::Script(Vec::new()))
    })
    .await;
    charge(address, "k").await;
    assert!(!search(address, "o-1").await.says("pi_000001"));
    tokio::time::sleep(indexing).await;
    let found = search(address, "o-1").await;
    assert_eq!(found.status(), "200");
    assert!(found.says("pi_000001") && found.says("succeeded"));
    assert!(!search(address, "o-2").await.says("pi_000001"));
}

#[tokio::test]
async fn a_provider_without_a_search_answers_404() {
    let (_, address) = serve(Settings {
        search: false,
        ..Settings::new("sk", Plan::Script(Vec::new()))
    })
    .await;
    assert_eq!(search(address, "o-1").await.status(), "404");
}

#[tokio::test]
async fn the_program_announces_where_it_listens_and_ends_with_its_parent() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_checkout"))
        .args(["provider", "--with-parent", "--api-key", "sk"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = child.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).await.unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();
    assert_eq!(charge(address.parse().unwrap(), "k").await.status(), "200");

    drop(child.stdin.take());
    let status = timeout(Duration::from_secs(10), child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn in_an_outage_connections_are_reset_and_refused_and_nothing_is_forgotten() {
    let (provider, address) = provider(&[Fault::Hangs]).await;
    let charged = charge(address, "before").await;
    assert_eq!(charged.status(), "200");

    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut running = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/payment_intents HTTP/1.1\r\nauthorization: Bearer sk";
    let form = FORM.replace("o-1", "o-2");
    let request = format!(
        "{head}\r\nhost: p\r\nidempotency-key: runs\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    running.write_all(request.as_bytes()).await.unwrap();
    while provider.book().requests < 2 {
        tokio::task::yield_now().await;
    }

    let begun = Instant::now();
    let told = send(address, "POST /_audit/outage?length_s=1 HTTP/1.1", "").await;
    assert_eq!((told.status(), told.end.is_ok()), ("200", true));
    for stream in [&mut idle, &mut running] {
        let cut = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::ConnectionReset);
    }
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let again = charge(address, "before").await;
    assert!(again.says(REPLAYED) && again.says("pi_000001"));
    // What had begun was finished behind the closed front.
    let replayed = send(address, &format!("{head}\r\nidempotency-key: runs"), &form).await;
    assert!(
        replayed.says(REPLAYED) && replayed.says("pi_000002"),
        "{}",
        replayed.text
    );
    assert_eq!(provider.book().charges.len(), 2);
}

#[tokio::test]
async fn an_outage_without_a_length_is_refused() {
    let (_, address) = provider(&[]).await;
    let refused = send(address, "POST /_audit/outage HTTP/1.1", "").await;
    assert_eq!(refused.status(), "400");
    assert_eq!(charge(address, "k").await.status(), "200");
}
