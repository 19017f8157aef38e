//! A shop on a socket, until it is told to stop; then it drains.

use std::future::Future;
use std::time::Duration;

use buttress_classify::BoxError;
use tokio::net::TcpListener;

use super::shop::row::State;
use super::shop::{self, Drain, Shop};

/// Answers that the store does not take are left after so long; their keys end with their leases.
const RECORDING: Duration = Duration::from_secs(30);

/// Serves, and goes on with the orders that nobody drives, until it is told to stop, by a signal or
/// by `told`; then drains.
///
/// # Errors
/// When the listener fails, or a second signal ends it before it has drained.
pub(super) async fn host(
    shop: &Shop,
    listener: TcpListener,
    told: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BoxError> {
    println!("listening on http://{}", listener.local_addr()?);
    let drain = shop.drain();
    let closing = drain.clone();
    let signal = async move {
        tokio::select! {
            () = stop_signal() => {
                eprintln!("draining: no new attempts; a second signal ends it at once");
            }
            () = told => {}
        }
        closing.close();
    };
    tokio::spawn(shop.clone().tend());
    let served = axum::serve(listener, shop::router(shop.clone())).with_graceful_shutdown(signal);
    let result = tokio::select! {
        result = async { served.await?; shop.drained(RECORDING).await; Ok(()) } => result,
        () = insist(drain) => Err("ended before it had drained".into()),
    };
    farewell(shop).await;
    result
}

/// Says which orders are left, for whoever takes over.
async fn farewell(shop: &Shop) {
    let Ok(rows) = shop.orders().all().await else {
        eprintln!("the store does not say which orders are pending");
        return;
    };
    for row in rows.iter().filter(|row| !row.is_final()) {
        let state = if row.state == State::Unknown {
            "unknown"
        } else {
            "not charged"
        };
        eprintln!(
            "pending: {} {state} after {} attempts",
            row.order.id, row.attempts
        );
    }
}

/// A second signal, after the first.
async fn insist(drain: &Drain) {
    drain.closed().await;
    stop_signal().await;
}

#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(not(unix))]
async fn stop_signal() {
    let _ = tokio::signal::ctrl_c().await;
}
