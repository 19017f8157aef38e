//! What a call through a circuit allocates.

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use buttress_circuit_breaker::{CircuitBreakerLayer, Open};
use buttress_classify::{BoxError, find};
use tower::{Layer, Service, service_fn};

/// The labels of a counter are allocated where counters are asked for.
const COUNTED: u64 = if cfg!(feature = "metrics") { 1 } else { 0 };

fn poll<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("pending"),
    }
}

/// Calls a service behind `layer`: what came of the last call, and how often each one allocated.
fn count(layer: &CircuitBreakerLayer) -> (Result<(), BoxError>, u64) {
    const CALLS: u64 = 100;
    let mut service = layer.layer(service_fn(|_: http::Request<()>| {
        ready(Ok::<_, Infallible>(http::Response::new(())))
    }));
    let mut call = || {
        let request = http::Request::new(());
        poll(poll_fn(|cx| service.poll_ready(cx)))?;
        poll(service.call(request)).map(drop)
    };
    // What is made once, for a thread or a subscriber, is made here.
    let mut last = call();
    let counted = allocation_counter::measure(|| {
        for _ in 0..CALLS {
            last = call();
        }
    });
    assert_eq!(counted.count_total % CALLS, 0);
    (last, counted.count_total / CALLS)
}

#[tokio::test(start_paused = true)]
async fn a_call_through_a_closed_circuit_allocates_nothing_and_a_refusal_its_error_alone() {
    let layer = CircuitBreakerLayer::http().build().unwrap();
    let (passed, allocations) = count(&layer);
    assert!(passed.is_ok());
    assert_eq!(allocations, 0);

    layer.handle().force_open();
    let (refused, allocations) = count(&layer);
    assert!(find::<Open>(&*refused.unwrap_err()).is_some());
    assert_eq!(allocations, 1 + COUNTED);
}
