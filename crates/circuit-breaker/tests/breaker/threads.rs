//! Circuits are freed, whoever lets go of them last.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use buttress_circuit_breaker::{CircuitBreakerLayer, Transitions};
use futures_util::FutureExt;
use tower::{Layer, Service, ServiceExt};

use crate::peer::{Do, consecutive, peer, some_keys};

/// Counts those of it that live.
struct Witness(Arc<AtomicUsize>);

impl Witness {
    fn new(living: &Arc<AtomicUsize>) -> Self {
        living.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(living))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn two_thousand_circuits_built_and_dropped_under_racing_threads_are_all_freed() {
    let living = Arc::new(AtomicUsize::new(0));
    for _ in 0..2000 {
        let witness = Witness::new(&living);
        // The circuit owns the listener, and the listener the witness.
        let layer = CircuitBreakerLayer::any()
            .consecutive_failures(crate::peer::some(1))
            .on_transition(move |_, _| {
                let _owned = &witness;
            })
            .build()
            .unwrap();
        let service = layer.layer(peer());
        let start = Barrier::new(3);
        std::thread::scope(|scope| {
            for turn in 0..3 {
                let (mut service, circuit) = (service.clone(), layer.handle());
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..3 {
                        let mut clone = service.clone();
                        let call = clone.ready().now_or_never().unwrap().unwrap();
                        let what = if turn == 0 { Do::Fail } else { Do::Succeed };
                        drop(call.call(what).now_or_never());
                        service = clone;
                    }
                    drop(circuit);
                    drop(service);
                });
            }
            drop((layer, service));
        });
    }
    assert_eq!(living.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_flight_keeps_the_circuit_and_its_end_frees_it() {
    let layer = consecutive(1).build().unwrap();
    let mut transitions: Transitions = layer.handle().watch();
    let mut service = layer.layer(peer());
    let mut call = Box::pin(service.ready().await.unwrap().call(Do::Hang));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop((layer, service));
    assert!(transitions.next().now_or_never().is_none(), "not ended yet");
    drop(call);
    assert_eq!(transitions.next().now_or_never(), Some(None));
}

#[tokio::test(start_paused = true)]
async fn an_evicted_circuit_is_freed() {
    let layer = consecutive(1)
        .per(|key: &u32| *key, some_keys(3))
        .build()
        .unwrap();
    let circuits = layer.handles();
    let mut service = layer.layer(tower::service_fn(|_: u32| async {
        Ok::<_, std::convert::Infallible>(())
    }));
    service.ready().await.unwrap().call(0).await.unwrap();
    let mut transitions = circuits.get(&0).unwrap().watch();
    for key in 1..=3 {
        service.ready().await.unwrap().call(key).await.unwrap();
    }
    assert!(circuits.get(&0).is_none());
    assert_eq!(transitions.next().await, None);
}
