//! The circuit under the model checker: every interleaving of its threads.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom \
//!     cargo test --release -p buttress-circuit-breaker --lib loom_tests
//! ```

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_backoff::{Backoff, Jitter, thread_random};
use loom::model::Builder;
use loom::thread;

use crate::State;
use crate::audience::Audience;
use crate::circuit::Circuit;
use crate::moment::Moment;
use crate::pass::{Health, Outcome};
use crate::settings::Settings;

const OPEN: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        consecutive: NonZeroU32::new(2),
        failure_ratio: None,
        slow: None,
        minimum: NonZeroU32::MIN,
        tick: None,
        count_window: None,
        count_throttled: false,
        open: Backoff::constant(OPEN).jitter(Jitter::None),
        max_open: OPEN,
        probes: NonZeroU32::MIN,
        probe_timeout: OPEN,
        shadow: false,
    }
}

fn windowed() -> Settings {
    Settings {
        consecutive: None,
        failure_ratio: Some(1.0),
        minimum: NonZeroU32::MAX,
        tick: NonZeroU64::new(1000),
        count_window: NonZeroUsize::new(8),
        ..settings()
    }
}

fn circuit(settings: Settings, audience: Audience) -> Circuit {
    let random = Arc::new(thread_random);
    Circuit::new(settings, Arc::from(""), random, audience, 2).at(0)
}

/// Explores all interleavings with at most three preemptions each: few bugs need more.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(run);
}

fn now() -> Moment {
    Moment::default()
}

fn bad() -> Outcome {
    Outcome::new(Health::Bad)
}

fn run_call(circuit: &Circuit, health: Health) -> bool {
    let anchor = circuit.anchor();
    let Ok(pass) = anchor.admit() else {
        return false;
    };
    if health == Health::Good {
        anchor.succeed(pass);
    } else {
        anchor.record(pass, Outcome::new(health), now());
    }
    true
}

#[test]
fn no_success_is_lost_and_none_counts_twice() {
    model(|| {
        let circuit = circuit(windowed(), Audience::default());
        let other = circuit.at(1);
        // On the lane of `circuit` too: two threads may share one.
        let neighbour = circuit.at(0);
        let threads = [
            thread::spawn(move || assert!(run_call(&other, Health::Good))),
            thread::spawn(move || assert!(run_call(&neighbour, Health::Good))),
        ];
        run_call(&circuit, Health::Bad);
        for thread in threads {
            thread.join().unwrap();
        }
        let snapshot = circuit.core().snapshot();
        for window in [
            snapshot.time_window.unwrap(),
            snapshot.count_window.unwrap(),
        ] {
            assert_eq!((window.calls, window.failures), (3, 1));
        }
    });
}

#[test]
fn a_success_from_before_a_reset_counts_for_nothing() {
    model(|| {
        let circuit = circuit(windowed(), Audience::default());
        let pass = circuit.anchor().admit().unwrap();
        let other = circuit.at(1);
        let late = circuit.at(0);
        let thread = thread::spawn(move || {
            other.anchor().command(crate::state::Machine::reset);
            // Whatever came before the reset is forgotten, whatever comes after is late.
            let window = other.core().snapshot().time_window.unwrap();
            assert_eq!(window.calls, 0);
        });
        late.anchor().succeed(pass);
        thread.join().unwrap();
        let snapshot = circuit.core().snapshot();
        assert_eq!(snapshot.time_window.unwrap().calls, 0);
        assert_eq!(snapshot.count_window.unwrap().calls, 0);
    });
}

#[test]
fn failures_of_two_threads_open_it_once() {
    model(|| {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        let mut audience = Audience::default();
        audience.listen(move |_, transition| notes.lock().unwrap().push(transition.to));
        let circuit = circuit(settings(), audience);
        let other = circuit.at(1);
        let thread = thread::spawn(move || {
            run_call(&other, Health::Bad);
        });
        run_call(&circuit, Health::Bad);
        thread.join().unwrap();
        assert_eq!(circuit.core().state(), State::Open);
        assert!(!circuit.core().passes());
        assert!(
            !run_call(&circuit, Health::Good),
            "the status shows the state"
        );
        assert_eq!(*heard.lock().unwrap(), [State::Open]);
    });
}

#[test]
fn a_success_between_two_failures_is_before_after_or_between() {
    model(|| {
        let circuit = circuit(settings(), Audience::default());
        run_call(&circuit, Health::Bad);
        let other = circuit.at(1);
        let thread = thread::spawn(move || run_call(&other, Health::Good));
        run_call(&circuit, Health::Bad);
        let passed = thread.join().unwrap();
        let snapshot = circuit.core().snapshot();
        match snapshot.state {
            State::Open => {}
            State::Closed => {
                assert!(passed);
                assert!(snapshot.consecutive_failures < 2);
            }
            other => panic!("{other:?}"),
        }
        // Alert or calm, the next success leaves it calm.
        if snapshot.state == State::Closed {
            assert!(run_call(&circuit, Health::Good));
            assert_eq!(circuit.core().snapshot().consecutive_failures, 0);
        }
    });
}

#[test]
fn one_probe_passes_of_two_that_ask_at_once() {
    model(|| {
        let instant = Settings {
            open: Backoff::constant(Duration::ZERO),
            ..settings()
        };
        let circuit = circuit(instant, Audience::default());
        run_call(&circuit, Health::Bad);
        run_call(&circuit, Health::Bad);
        let other = circuit.at(1);
        let thread = thread::spawn(move || other.anchor().admit().is_ok());
        let mine = circuit.anchor().admit().is_ok();
        assert!(mine != thread.join().unwrap());
        assert_eq!(circuit.core().state(), State::HalfOpen);
    });
}

/// Counts its drops.
struct Witness(Arc<AtomicUsize>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_add(1, StdOrdering::SeqCst);
    }
}

fn witnessed(freed: &Arc<AtomicUsize>) -> Circuit {
    let witness = Witness(Arc::clone(freed));
    let mut audience = Audience::default();
    audience.listen(move |_, _| {
        let _owned = &witness;
    });
    circuit(settings(), audience)
}

#[test]
fn the_last_of_two_seats_frees_the_circuit() {
    model(|| {
        let freed = Arc::new(AtomicUsize::new(0));
        let circuit = witnessed(&freed);
        let other = circuit.at(1);
        let thread = thread::spawn(move || drop(other));
        drop(circuit);
        thread.join().unwrap();
        assert_eq!(freed.load(StdOrdering::SeqCst), 1);
    });
}

#[test]
fn a_seat_that_moves_from_lane_to_lane_escapes_no_walk() {
    let mut builder = Builder::new();
    // A walk of two rounds is outrun by many small steps only.
    builder.preemption_bound = None;
    builder.check(|| {
        let freed = Arc::new(AtomicUsize::new(0));
        let circuit = witnessed(&freed);
        let mut seat = circuit.at(1);
        let thread = thread::spawn(move || {
            for lane in [0, 1, 0, 1, 0] {
                let there = seat.at(lane);
                assert_eq!(there.anchor().slot, lane, "the lane can be sat on again");
                seat = there;
            }
            drop(seat);
        });
        drop(circuit);
        thread.join().unwrap();
        assert_eq!(freed.load(StdOrdering::SeqCst), 1);
    });
}

#[test]
fn a_call_in_flight_outlives_the_last_seat() {
    model(|| {
        let freed = Arc::new(AtomicUsize::new(0));
        let circuit = witnessed(&freed);
        let anchor = Arc::clone(circuit.anchor());
        let pass = anchor.admit().unwrap();
        let thread = thread::spawn(move || {
            // A failure, so that the audience gets a seat of its own for a while.
            anchor.record(pass, bad(), now());
            let pass = anchor.admit().unwrap();
            anchor.record(pass, bad(), now());
        });
        drop(circuit);
        thread.join().unwrap();
        assert_eq!(freed.load(StdOrdering::SeqCst), 1);
    });
}
