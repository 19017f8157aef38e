//! One layer is one circuit, however often it is applied.

use buttress_circuit_breaker::State;
use tower::{Layer, Service, ServiceExt};

use crate::peer::{Do, calls, consecutive, peer, refusal};

#[tokio::test(start_paused = true)]
async fn all_services_of_a_layer_and_their_clones_share_one_circuit() {
    let layer = consecutive(3).build().unwrap();
    let mut first = layer.layer(peer());
    let mut second = layer.clone().layer(peer());
    let mut third = second.clone();
    calls(&mut first, Do::Fail, 1).await;
    calls(&mut second, Do::Fail, 1).await;
    calls(&mut third, Do::Fail, 1).await;
    for service in [
        &mut first,
        &mut second,
        &mut third,
        &mut layer.layer(peer()),
    ] {
        assert!(refusal(service).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_isolated_layer_has_a_circuit_of_its_own_with_the_same_settings() {
    let layer = consecutive(2).name("ledger").build().unwrap();
    let isolated = layer.isolated();
    calls(&mut layer.layer(peer()), Do::Fail, 2).await;
    assert_eq!(layer.handle().state(), State::Open);
    assert_eq!(isolated.handle().state(), State::Closed);

    calls(&mut isolated.layer(peer()), Do::Fail, 2).await;
    assert_eq!(isolated.handle().state(), State::Open);
    assert_eq!(isolated.handle().name(), "ledger");
}

#[tokio::test]
async fn calls_of_many_threads_count_in_one_window() {
    let layer = crate::peer::ratio(1_000_000).build().unwrap();
    let circuit = layer.handle();
    let service = layer.layer(peer());
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let mut service = service.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    calls(&mut service, Do::Succeed, 1000).await;
                    calls(&mut service, Do::Fail, 10).await;
                    for _ in 0..100 {
                        let mut clone = service.clone();
                        let call = clone.ready().await.unwrap().call(Do::Succeed);
                        call.await.unwrap();
                    }
                });
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    let window = circuit.snapshot().time_window.unwrap();
    assert_eq!((window.calls, window.failures), (8 * 1110, 80));
}
