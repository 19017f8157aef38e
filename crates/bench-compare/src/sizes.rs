//! How large the future of a whole stack is: what every call moves and every task holds.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_layer::Layer;
use tower_service::Service;

use crate::driver::{Req, bare};
use crate::stack::{key, layers};
use bench_compare::table::{By, Row, Section, Verdict};

/// Bytes.
const GOAL: usize = 1024;

/// Measures the futures.
pub(crate) fn section() -> Section {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let over_client = future_of(&layers(key()).layer(client));
    let over_bare = future_of(&layers(key()).layer(bare()));
    let alone = future_of(&bare::<Full<Bytes>>());
    Section::new(
        "size of the whole stack's future",
        "key, operation timeout, retry, breaker, attempt timeout; over hyper-util's client, and over \
               the bare service, whose future holds its whole answer",
        vec![
            row("size/bare", alone),
            row("size/stack-over-bare", over_bare),
            row("size/stack-over-client", over_client).goal(Some(verdict(over_client))),
        ],
    )
}

fn row(case: &str, bytes: usize) -> Row {
    #[allow(clippy::cast_precision_loss, reason = "a size")]
    Row::new(case, "").figure("bytes", bytes as f64)
}

fn verdict(bytes: usize) -> Verdict {
    Verdict {
        goal: format!("≤ {GOAL} bytes"),
        measured: format!("{bytes} bytes"),
        met: bytes <= GOAL,
        by: By::Figure("bytes".into()),
    }
}

fn future_of<S: Service<Req>>(_: &S) -> usize {
    size_of::<S::Future>()
}
