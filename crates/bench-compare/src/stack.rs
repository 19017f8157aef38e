//! The whole outbound stack, and the part of its work that no layer can avoid.

use std::convert::Infallible;
use std::future::Ready;
use std::hint::black_box;
use std::time::{Duration, SystemTime};

use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_idempotency::{IdempotencyKeyLayer, Outbound, OutboundKey};
use buttress_key::{IdempotencyKey, Profile};
use buttress_retry::RetryLayer;
use buttress_timeout::{Exchange, TimeoutLayer};
use tower::{BoxError, service_fn};
use tower_layer::Layer;
use tower_service::Service;

use crate::breakers::window;
use crate::driver::{Req, Res, bare, r3};

/// R4 before it has its key: the caller's own stands in its extensions.
pub(crate) fn r4_owned() -> Req {
    let mut request = r4_unkeyed();
    let key = IdempotencyKey::parse("7f2c1e0a-5d0a-4f64-9b3b-0f0d7f8f3a11").expect("a key");
    let owned = OutboundKey::new(key, SystemTime::now());
    request.extensions_mut().insert(owned);
    request
}

/// R4 before it has its key.
pub(crate) fn r4_unkeyed() -> Req {
    r3()
}

/// The whole stack's layers, outermost first.
type Layers = (
    IdempotencyKeyLayer<Outbound>,
    TimeoutLayer<Exchange>,
    RetryLayer,
    CircuitBreakerLayer,
    TimeoutLayer<Exchange>,
);

/// Key, operation timeout, retry, breaker and attempt timeout, outermost first.
pub(crate) fn layers(key: IdempotencyKeyLayer<Outbound>) -> Layers {
    (
        key,
        TimeoutLayer::new(Duration::from_secs(30)),
        RetryLayer::new().profile(Profile::stripe_v1()),
        window(),
        TimeoutLayer::new(Duration::from_secs(10)),
    )
}

/// The outermost layer, before it is told where keys come from.
pub(crate) fn key() -> IdempotencyKeyLayer<Outbound> {
    IdempotencyKeyLayer::outbound(Profile::stripe_v1())
}

/// The whole stack around the bare service.
pub(crate) fn stack() -> impl Service<Req, Response = impl Sized, Error = BoxError> {
    layers(key().random()).layer(bare())
}

/// The bare service behind what every such stack must do: the key's header, and a clone of the
/// request for another attempt.
pub(crate) fn key_and_clone()
-> impl Service<Req, Response = Res, Error = Infallible, Future = Ready<Result<Res, Infallible>>> + Clone
{
    let profile = Profile::stripe_v1();
    let mut bare = bare();
    service_fn(move |mut request: Req| {
        let key = match request.extensions_mut().remove::<OutboundKey>() {
            Some(owned) => owned.key().clone(),
            None => IdempotencyKey::generate().expect("entropy"),
        };
        let name = profile.header().expect("a header");
        request.headers_mut().insert(name, profile.to_value(&key));
        drop(black_box(request.clone()));
        bare.call(request)
    })
}
