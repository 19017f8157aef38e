//! There is no path to a circuit that stays open or half-open for ever.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use buttress_circuit_breaker::{CircuitBreakerLayer, State};
use futures_util::{FutureExt, poll};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::advance;
use tower::{Service, ServiceExt};

use crate::peer::{Do, call, guarded, millis, ratio, secs, some};

#[derive(Clone, Copy, Debug)]
enum Step {
    Advance(Duration),
    Begin(Do),
    Drop(usize),
    ForceOpen,
    Poll(usize),
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        Just(Do::Fail),
        Just(Do::Hang),
        Just(Do::Ignore),
        Just(Do::Panic),
        Just(Do::Succeed),
        Just(Do::Throttle),
        (0..40_000_u64).prop_map(|wait| Do::SucceedAfter(millis(wait))),
        (0..400_u64).prop_map(|wait| Do::FailFor(secs(wait))),
    ];
    let step = prop_oneof![
        8 => what.prop_map(Step::Begin),
        3 => any::<usize>().prop_map(Step::Drop),
        5 => any::<usize>().prop_map(Step::Poll),
        3 => (0..40_000_u64).prop_map(|time| Step::Advance(millis(time))),
        1 => (0..400_u64).prop_map(|time| Step::Advance(secs(time))),
        1 => Just(Step::ForceOpen),
        2 => Just(Step::Reset),
    ];
    vec(step, 1..120)
}

async fn ends_closed(steps: Vec<Step>, probes: u32, slow: bool) -> State {
    let mut builder = ratio(3)
        .consecutive_failures(some(2))
        .count_window(some(5))
        .probes(some(probes));
    if slow {
        builder = builder.slow_calls(secs(5), 0.5);
    }
    let (mut service, circuit) = guarded(builder);
    let mut running = Vec::new();
    for step in steps {
        match step {
            Step::Advance(time) => advance(time).await,
            Step::Begin(what) => {
                running.push(Box::pin(service.ready().await.unwrap().call(what)));
            }
            Step::Drop(call) if !running.is_empty() => {
                drop(running.swap_remove(call % running.len()));
            }
            Step::Poll(call) if !running.is_empty() => {
                let place = call % running.len();
                let polled = AssertUnwindSafe(async { poll!(&mut running[place]).is_ready() });
                if polled.catch_unwind().await.unwrap_or(true) {
                    drop(running.swap_remove(place));
                }
            }
            Step::ForceOpen => circuit.force_open(),
            Step::Reset => circuit.reset(),
            Step::Drop(_) | Step::Poll(_) => {}
        }
    }
    if circuit.state() == State::ForcedOpen {
        circuit.reset();
    }
    // Whatever still runs hangs on while patient callers succeed.
    for _ in 0..probes + 3 {
        advance(secs(400)).await;
        drop(call(&mut service, Do::Succeed).await);
    }
    circuit.state()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_history_of_calls_ends_closed(
        steps in steps(),
        probes in 1..4_u32,
        slow: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        std::panic::set_hook(Box::new(|_| {}));
        let state = runtime.block_on(ends_closed(steps, probes, slow));
        drop(std::panic::take_hook());
        prop_assert_eq!(state, State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_asked_for_nothing_for_a_year_works() {
    let (mut service, circuit) = guarded(CircuitBreakerLayer::any());
    for what in [Do::Succeed, Do::Fail] {
        for _ in 0..3 {
            advance(secs(365 * 24 * 3600)).await;
            drop(call(&mut service, what).await);
        }
    }
    assert_eq!(circuit.snapshot().time_window.unwrap().calls, 1);
}
