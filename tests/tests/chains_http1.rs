//! What happens to a request over HTTP/1 on a real socket, and what each client's error means.

use buttress_classify::{Health, Verdict};
use tests::chains::{assert_each, empty, failing, large};
use tests::clients::Version::One;
use tests::peer::Step::{self, Fin, Read, ReadHead, Reset};

const RESET: Verdict = Verdict::transient("reset");

#[tokio::test]
async fn fin_after_the_request() {
    assert_each(One, vec![ReadHead, Fin], empty, RESET).await;
}

#[tokio::test]
async fn rst_after_the_request() {
    assert_each(One, vec![ReadHead, Reset], empty, RESET).await;
}

#[tokio::test]
async fn a_part_of_a_head() {
    let plan = vec![ReadHead, Step::write("HTTP/1.1 200 OK\r\ncontent-le"), Fin];
    assert_each(One, plan, empty, RESET).await;
    let plan = vec![
        ReadHead,
        Step::write("HTTP/1.1 200 OK\r\ncontent-le"),
        Reset,
    ];
    assert_each(One, plan, empty, RESET).await;
}

#[tokio::test]
async fn a_body_cut_by_fin() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    assert_each(One, vec![ReadHead, Step::write(head), Fin], empty, RESET).await;
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc";
    assert_each(One, vec![ReadHead, Step::write(head), Fin], empty, RESET).await;
}

#[tokio::test]
async fn a_body_cut_by_rst() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
    assert_each(One, vec![ReadHead, Step::write(head), Reset], empty, RESET).await;
}

#[tokio::test]
async fn garbage_for_a_head() {
    let plan = vec![ReadHead, Step::write("220 smtp.example ready\r\n\r\n"), Fin];
    assert_each(One, plan, empty, Verdict::permanent("parse")).await;
}

#[tokio::test]
async fn rst_in_the_middle_of_a_requests_body() {
    assert_each(One, vec![ReadHead, Read(1000), Reset], large, RESET).await;
}

#[tokio::test]
async fn fin_in_the_middle_of_a_requests_body() {
    assert_each(One, vec![ReadHead, Read(1000), Fin], large, RESET).await;
}

#[tokio::test]
async fn a_requests_body_that_fails_is_its_senders_fault() {
    let users = Verdict::permanent("user").with_health(Health::Neutral);
    assert_each(One, vec![ReadHead, Fin], failing, users).await;
}
