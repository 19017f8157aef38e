//! Listeners hear of every change, in order, outside any lock.

use std::sync::{Arc, Barrier, Mutex};

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
fn a_change_that_comes_while_listeners_are_busy_is_told_after_and_holds_nobody_up() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heard);
    let (busy, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let waits = (Arc::clone(&busy), Arc::clone(&go_on));
    let layer = consecutive(1)
        .on_transition(move |_, change| {
            notes.lock().unwrap().push((change.to, true));
            if change.to == State::ForcedOpen {
                waits.0.wait();
                waits.1.wait();
            }
            notes.lock().unwrap().push((change.to, false));
        })
        .build()
        .unwrap();
    let circuit = layer.handle();
    let other = circuit.clone();
    let forcing = std::thread::spawn(move || other.force_open());
    busy.wait();

    circuit.disable();
    assert_eq!(circuit.state(), State::Disabled);
    assert_eq!(*heard.lock().unwrap(), [(State::ForcedOpen, true)]);
    go_on.wait();
    forcing.join().unwrap();
    let expected = [
        (State::ForcedOpen, true),
        (State::ForcedOpen, false),
        (State::Disabled, true),
        (State::Disabled, false),
    ];
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
