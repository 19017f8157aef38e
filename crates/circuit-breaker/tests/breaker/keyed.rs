//! One circuit for each key, and a bound on their number.

use std::convert::Infallible;
use std::future::pending;

use buttress_circuit_breaker::{CircuitBreakerLayer, Open, State};
use buttress_classify::{BoxError, find};
use futures_util::poll;
use http::uri::Authority;
use http::{Request, Response};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::peer::{consecutive, secs, some_keys};

type Call = (&'static str, bool);

async fn run(
    service: &mut impl Service<Call, Response = (), Error = BoxError>,
    call: Call,
) -> bool {
    match service.ready().await.unwrap().call(call).await {
        Ok(()) => false,
        Err(error) => find::<Open>(&*error).is_some(),
    }
}

fn ledger() -> impl Service<Call, Response = (), Error = std::io::Error, Future: Send> + Clone {
    service_fn(|(_, works): Call| async move {
        if works {
            return Ok(());
        }
        Err(std::io::Error::other("down"))
    })
}

#[tokio::test(start_paused = true)]
async fn one_tenants_failures_refuse_nobody_elses_calls() {
    let layer = consecutive(2)
        .per(|(tenant, _): &Call| *tenant, some_keys(10))
        .build()
        .unwrap();
    let circuits = layer.handles();
    let mut service = ServiceBuilder::new().layer(layer).service(ledger());
    for _ in 0..2 {
        assert!(!run(&mut service, ("red", false)).await);
        assert!(!run(&mut service, ("blue", true)).await);
    }
    let mut clone = service.clone();
    assert!(
        run(&mut clone, ("red", true)).await,
        "clones share circuits"
    );
    assert!(!run(&mut clone, ("blue", true)).await);

    assert_eq!(circuits.get(&"red").unwrap().state(), State::Open);
    assert_eq!(circuits.get(&"blue").unwrap().state(), State::Closed);
    assert!(circuits.get(&"green").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_idle_circuit_makes_room() {
    let layer = consecutive(1)
        .per(|(tenant, _): &Call| *tenant, some_keys(2))
        .build()
        .unwrap();
    let circuits = layer.handles();
    let mut service = ServiceBuilder::new().layer(layer).service(ledger());
    run(&mut service, ("red", false)).await;
    run(&mut service, ("blue", true)).await;
    assert!(run(&mut service, ("red", true)).await, "refused, and used");
    run(&mut service, ("green", true)).await;

    let mut keys = circuits.keys();
    keys.sort_unstable();
    assert_eq!(keys, ["green", "red"]);
    assert!(run(&mut service, ("red", true)).await, "still open");
}

#[tokio::test(start_paused = true)]
async fn a_circuit_with_a_call_in_flight_stays_and_newcomers_go_unwatched() {
    let layer = consecutive(1)
        .per(|(tenant, _): &Call| *tenant, some_keys(1))
        .build()
        .unwrap();
    let circuits = layer.handles();
    let hanging = service_fn(|(_, works): Call| async move {
        if works {
            return pending::<Result<(), Infallible>>().await;
        }
        Ok(())
    });
    let mut service = ServiceBuilder::new().layer(layer).service(hanging);
    let mut held = Box::pin(service.ready().await.unwrap().call(("red", true)));
    assert!(poll!(&mut held).is_pending());

    assert!(
        !run(&mut service, ("blue", false)).await,
        "passes all the same"
    );
    assert_eq!(circuits.keys(), ["red"]);
    drop(held);
    assert!(!run(&mut service, ("blue", false)).await);
    assert_eq!(circuits.keys(), ["blue"]);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_keys_stay_within_the_bound() {
    let layer = consecutive(1)
        .per(|key: &u32| *key, some_keys(100))
        .build()
        .unwrap();
    let circuits = layer.handles();
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(|_: u32| async { Ok::<_, Infallible>(()) });
    for key in 0..5_000 {
        service.ready().await.unwrap().call(key).await.unwrap();
    }
    let mut keys = circuits.keys();
    keys.sort_unstable();
    assert!(keys.into_iter().eq(4_900..5_000));
}

#[tokio::test(start_paused = true)]
async fn http_circuits_can_be_kept_by_authority() {
    let layer = CircuitBreakerLayer::http()
        .per_authority(some_keys(10))
        .build()
        .unwrap();
    let circuits = layer.handles();
    let mut service =
        ServiceBuilder::new()
            .layer(layer)
            .service_fn(|request: Request<()>| async move {
                let good = request.uri().host() == Some("good.example");
                let response = Response::builder().status(if good { 200 } else { 503 });
                Ok::<_, Infallible>(response.body(()).unwrap())
            });
    for _ in 0..5 {
        for uri in ["https://good.example/a", "https://bad.example:8443/b"] {
            let request = Request::get(uri).body(()).unwrap();
            service.ready().await.unwrap().call(request).await.unwrap();
        }
    }
    let state = |authority: &'static str| {
        let authority = Some(Authority::from_static(authority));
        circuits.get(&authority).unwrap().state()
    };
    assert_eq!(state("bad.example:8443"), State::Open);
    assert_eq!(state("GOOD.example"), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_readiness_error_fails_the_next_call_and_counts_against_its_key() {
    let layer = consecutive(1)
        .per(|(tenant, _): &Call| *tenant, some_keys(10))
        .build()
        .unwrap();
    let circuits = layer.handles();
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(crate::readiness::Broken);
    let ready = service.ready().await.unwrap();
    let error = ready.call(("red", true)).await.unwrap_err();
    assert_eq!(error.to_string(), "no connection");
    assert_eq!(circuits.get(&"red").unwrap().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn isolated_layers_share_no_circuits_and_clones_do() {
    let layer = consecutive(1)
        .open_for(secs(30))
        .per(|(tenant, _): &Call| *tenant, some_keys(10))
        .build()
        .unwrap();
    let (clone, isolated) = (layer.clone(), layer.isolated());
    run(&mut layer.layer_ledger(), ("red", false)).await;
    assert!(run(&mut clone.layer_ledger(), ("red", true)).await);
    assert!(!run(&mut isolated.layer_ledger(), ("red", true)).await);
}

trait LayerLedger {
    fn layer_ledger(&self) -> impl Service<Call, Response = (), Error = BoxError>;
}

impl<F> LayerLedger
    for buttress_circuit_breaker::KeyedCircuitBreakerLayer<
        &'static str,
        F,
        buttress_classify::ErrorClassifier,
        buttress_circuit_breaker::NoDeadline,
    >
where
    F: Fn(&Call) -> &'static str + Clone,
{
    fn layer_ledger(&self) -> impl Service<Call, Response = (), Error = BoxError> {
        tower::Layer::layer(self, ledger())
    }
}
