//! The latency of an axum server under a constant rate of requests, whether or not it keeps up.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_respond::ProblemLayer;
use buttress_timeout::TimeoutLayer;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower::{BoxError, ServiceBuilder};
use tower_http::timeout::TimeoutLayer as HttpTimeoutLayer;
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer as TheirBreaker};
use tower_resilience_timelimiter::{TimeLimiterError, TimeLimiterLayer};

use crate::wire::Wire;
use bench_compare::failure::Failure;
use bench_compare::stats::{Spread, quantile};
use bench_compare::table::{Row, Section};

const ROUNDS: usize = 7;
const RATE: u32 = 2_000;
const CONNECTIONS: usize = 16;
const RUN: Duration = Duration::from_secs(1);
/// The limit of every timeout here: never reached.
const LIMIT: Duration = Duration::from_secs(30);
/// A server that falls behind this far has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n";

/// What is served.
type Serve = (&'static str, fn(Router) -> Router);

const SERVERS: [Serve; 5] = [
    ("axum", |router| router),
    ("axum/timeout-breaker", ours),
    ("tower-http::timeout", |router| {
        let status = StatusCode::GATEWAY_TIMEOUT;
        router.layer(HttpTimeoutLayer::with_status_code(status, LIMIT))
    }),
    ("tower::timeout", |router| {
        let errors = HandleErrorLayer::new(failed::<BoxError>);
        let timeout = tower::timeout::TimeoutLayer::new(LIMIT);
        router.layer(ServiceBuilder::new().layer(errors).layer(timeout))
    }),
    ("tower-resilience::timeout-breaker", theirs),
];

/// The percentiles of each round, in microseconds.
#[derive(Debug, Default)]
struct Percentiles {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Measures all servers in turns.
pub(crate) fn section() -> Result<Section, Failure> {
    let mut all: Vec<Percentiles> = SERVERS.iter().map(|_| Percentiles::default()).collect();
    for round in 0..ROUNDS {
        for turn in 0..SERVERS.len() {
            let index = (round + turn) % SERVERS.len();
            let (_, layered) = SERVERS[index];
            let latencies = measure(layered(hello()), RATE, RUN)?;
            all[index].p50.push(quantile(&latencies, 0.5));
            all[index].p99.push(quantile(&latencies, 0.99));
        }
    }
    let rows = SERVERS.iter().zip(&all);
    let rows = rows.map(|((case, _), percentiles)| {
        Row::new(*case, "axum")
            .ratio(Spread::of_ratios(&percentiles.p99, &all[0].p99))
            .figure("µs p50", middle(&percentiles.p50))
            .figure("µs p99", middle(&percentiles.p99))
    });
    Ok(Section::new(
        "open loop, latency of an axum server",
        "the ratio is of 99th percentiles in the same round; 2 000 requests a second on 16 \
               connections of the same machine, timed from when each was due, not from when it was sent; \
               one core serves and one asks. A request takes tens of microseconds, so the layers' \
               nanoseconds are not to be seen here, only whether a layer makes others wait",
        rows.collect(),
    ))
}

fn middle(values: &[f64]) -> f64 {
    Spread::of(values.iter().copied()).median
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn ours(router: Router) -> Router {
    let breaker = CircuitBreakerLayer::http().build();
    let breaker = breaker.expect("the defaults are valid");
    router.layer((ProblemLayer::new(), breaker, TimeoutLayer::new(LIMIT)))
}

fn theirs(router: Router) -> Router {
    let errors = HandleErrorLayer::new(failed::<CircuitBreakerError<TimeLimiterError<Infallible>>>);
    // With a handle, for only then connections share one circuit, as they do in ours.
    let breaker = TheirBreaker::builder().build_with_handle();
    let (breaker, _) = breaker.expect("the defaults are valid");
    let layers = ServiceBuilder::new()
        .layer(errors)
        .layer(breaker)
        .layer(TimeLimiterLayer::builder().timeout_duration(LIMIT).build());
    router.layer(layers)
}

async fn failed<E>(_: E) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

/// The latencies of one run, sorted, in microseconds.
fn measure(router: Router, rate: u32, run: Duration) -> Result<Vec<f64>, Failure> {
    let (ready, address) = std::sync::mpsc::sync_channel(1);
    let (stop, stopped) = oneshot::channel::<Infallible>();
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(router, &ready, stopped));
        let latencies = address
            .recv()
            .map_err(|_| Failure::from("the server did not start"))
            .and_then(|address| {
                Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(ask(address, rate, run))
            });
        drop(stop);
        server.join().map_err(|_| "the server panicked")??;
        let mut latencies = latencies?;
        latencies.sort_by(f64::total_cmp);
        Ok(latencies)
    })
}

/// Serves on a thread of its own until it is told to stop.
fn serve(
    router: Router,
    ready: &std::sync::mpsc::SyncSender<SocketAddr>,
    stopped: oneshot::Receiver<Infallible>,
) -> Result<(), Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            ready.send(listener.local_addr()?)?;
            tokio::select! {
                served = axum::serve(listener, router) => served?,
                _ = stopped => {}
            }
            Ok(())
        })
}

/// Asks at a constant rate, and never waits for an answer before it asks again.
async fn ask(address: SocketAddr, rate: u32, run: Duration) -> Result<Vec<f64>, Failure> {
    let mut connections = JoinSet::new();
    let mut queues = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut wire = Wire::connect(address).await?;
        // Once before: a connection's first request makes what serves it.
        wire.send(REQUEST).await?;
        let (queue, due) = mpsc::unbounded_channel();
        queues.push(queue);
        connections.spawn(answered(wire, due));
    }
    let every = Duration::from_secs(1) / rate;
    let begun = Instant::now();
    let mut due = begun;
    for queue in queues.iter().cycle() {
        due += every;
        if due > begun + run {
            break;
        }
        // The runtime's timer counts milliseconds: too coarse.
        while Instant::now() < due {
            tokio::task::yield_now().await;
        }
        if queue.send(due).is_err() {
            break;
        }
    }
    drop(queues);
    let all = timeout(PATIENCE, connections.join_all())
        .await
        .map_err(|_| "the server fell too far behind")?;
    let mut latencies = Vec::new();
    for of_one in all {
        latencies.extend(of_one?);
    }
    Ok(latencies)
}

/// Sends what is due on one connection; what waits for the connection is late from when it was due.
async fn answered(
    mut wire: Wire,
    mut queue: mpsc::UnboundedReceiver<Instant>,
) -> Result<Vec<f64>, Failure> {
    let mut latencies = Vec::new();
    while let Some(due) = queue.recv().await {
        let answer = wire.send(REQUEST).await?;
        if answer.status != 200 {
            return Err(format!("answered {}", answer.status).into());
        }
        latencies.push(due.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_answers_every_request() {
        for (case, layered) in SERVERS {
            let latencies = measure(layered(hello()), 500, Duration::from_millis(100)).unwrap();
            assert_eq!(latencies.len(), 50, "{case}");
        }
    }

    #[test]
    fn a_stall_is_charged_to_every_request_that_was_due_in_it() {
        let stalls = Router::new().route(
            "/",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                "late"
            }),
        );
        // 16 connections of 5 ms answer 3 200 a second: at 6 400 half of the time is a queue.
        let latencies = measure(stalls, 6_400, Duration::from_millis(200)).unwrap();
        assert!(quantile(&latencies, 0.99) > 50_000.0);
    }

    #[test]
    fn a_server_that_refuses_is_a_failure() {
        let refuses = Router::new().route("/", get(|| async { StatusCode::IM_A_TEAPOT }));
        let error = measure(refuses, 100, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "answered 418");
    }
}
