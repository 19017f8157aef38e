//! What only reqwest says: limits, statuses and redirects of its own, in both versions.

use std::time::Duration;

use buttress_classify::Verdict;
use tests::chains::assert_means;
use tests::peer::Step::{Hang, ReadHead};
use tests::peer::{Peer, Step, trusting_nobody};

const LIMIT: Duration = Duration::from_millis(100);

macro_rules! tests_of {
    ($version:ident, $krate:ident) => {
        mod $version {
            use super::*;

            fn client() -> $krate::ClientBuilder {
                $krate::Client::builder()
                    .no_proxy()
                    .use_preconfigured_tls(trusting_nobody().unwrap())
            }

            async fn answering(answer: &str) -> Peer {
                let plan = vec![ReadHead, Step::write(answer), Hang];
                Peer::start([plan]).await.unwrap()
            }

            #[tokio::test]
            async fn a_limit_that_passes_before_the_head() {
                let peer = answering("").await;
                let limited = client().timeout(LIMIT).build().unwrap();
                let error = limited.get(peer.http()).send().await.unwrap_err();
                assert_means(&error.into(), Verdict::transient("timeout"), "total");

                let limited = client().read_timeout(LIMIT).build().unwrap();
                let error = limited.get(peer.http()).send().await.unwrap_err();
                assert_means(&error.into(), Verdict::transient("timeout"), "read");
            }

            #[tokio::test]
            async fn a_limit_that_passes_in_the_body() {
                let peer = answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await;
                let client = client().timeout(LIMIT).build().unwrap();
                let response = client.get(peer.http()).send().await.unwrap();
                let error = response.bytes().await.unwrap_err();
                assert_means(&error.into(), Verdict::transient("timeout"), "body");
            }

            #[tokio::test]
            async fn an_error_for_a_status_means_the_status() {
                for (line, verdict) in [
                    ("503 Unavailable", Verdict::transient("503")),
                    ("429 Too Many", Verdict::throttled("429")),
                    ("404 Not Found", Verdict::rejected("4xx")),
                ] {
                    let answer = format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n");
                    let peer = answering(&answer).await;
                    let client = client().build().unwrap();
                    let response = client.get(peer.http()).send().await.unwrap();
                    let error = response.error_for_status().unwrap_err();
                    assert_means(&error.into(), verdict, line);
                }
            }

            #[tokio::test]
            async fn redirects_without_end() {
                let answer = "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
                let plan = vec![ReadHead, Step::write(answer)];
                let peer = Peer::start([plan]).await.unwrap();
                let client = client().pool_max_idle_per_host(0).build().unwrap();
                let error = client.get(peer.http()).send().await.unwrap_err();
                assert_means(&error.into(), Verdict::permanent("redirect"), "loop");
            }
        }
    };
}

tests_of!(v0_12, reqwest_0_12);
tests_of!(v0_13, reqwest_0_13);
