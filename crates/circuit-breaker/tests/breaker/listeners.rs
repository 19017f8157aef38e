//! Listeners hear of every change, in order, outside any lock.

use std::sync::{Arc, Mutex};

use buttress_circuit_breaker::State;
use tokio::time::advance;

use crate::peer::{Do, calls, consecutive, guarded, secs};

#[tokio::test(start_paused = true)]
async fn a_listener_that_calls_back_into_the_handle_does_not_deadlock() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heard);
    let (mut service, circuit) = guarded(consecutive(1).on_transition(move |circuit, change| {
        notes.lock().unwrap().push(change.to);
        assert!(circuit.snapshot().generation >= change.generation);
        drop(circuit.watch());
        if change.to == State::Open {
            circuit.reset();
        }
        if change.generation == 2 {
            circuit.force_open();
        }
    }));
    calls(&mut service, Do::Fail, 1).await;
    let expected = [State::Open, State::Closed, State::ForcedOpen];
    assert_eq!(*heard.lock().unwrap(), expected);
    assert_eq!(circuit.state(), State::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn a_listeners_panic_hurts_neither_the_call_nor_the_next_listener() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heard);
    let (mut service, _circuit) = guarded(
        consecutive(1)
            .on_transition(|_, _| panic!("a listener's own bug"))
            .on_transition(move |_, change| notes.lock().unwrap().push(change.to)),
    );
    calls(&mut service, Do::Fail, 1).await;
    advance(secs(30)).await;
    calls(&mut service, Do::Succeed, 1).await;
    let expected = [State::Open, State::HalfOpen, State::Closed];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[test]
fn listeners_of_racing_threads_hear_changes_in_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heard);
    let layer = consecutive(1)
        .on_transition(move |_, change| {
            notes
                .lock()
                .unwrap()
                .push((change.from, change.to, change.generation));
        })
        .build()
        .unwrap();
    let circuit = layer.handle();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let circuit = circuit.clone();
            scope.spawn(move || {
                for _ in 0..200 {
                    circuit.force_open();
                    circuit.disable();
                    circuit.reset();
                }
            });
        }
    });
    let heard = heard.lock().unwrap();
    assert!(heard.len() >= 600);
    for pair in heard.windows(2) {
        assert_eq!(
            pair[0].1, pair[1].0,
            "each change starts where the last ended"
        );
        assert!(pair[0].2 < pair[1].2);
    }
}
