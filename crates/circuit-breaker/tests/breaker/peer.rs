//! The other side: a service that does what the request says.

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use buttress_circuit_breaker::{
    Builder, CircuitBreaker, CircuitBreakerLayer, CircuitHandle, NoDeadline, Open,
};
use buttress_classify::{BoxError, ErrorClassifier, Opinion, Verdict, find};
use tokio::time::sleep;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    Fail,
    /// Fails, and asks to be left alone for so long.
    FailFor(Duration),
    Hang,
    Ignore,
    Panic,
    Succeed,
    /// Succeeds after so long.
    SucceedAfter(Duration),
    Throttle,
}

pub(crate) type Peer = BoxCloneService<Do, (), BoxError>;
pub(crate) type Guarded = CircuitBreaker<Peer, ErrorClassifier, NoDeadline>;

pub(crate) fn peer() -> Peer {
    BoxCloneService::new(service_fn(|what: Do| async move {
        let verdict = match what {
            Do::Succeed => return Ok(()),
            Do::SucceedAfter(time) => {
                sleep(time).await;
                return Ok(());
            }
            Do::Hang => std::future::pending().await,
            Do::Panic => panic!("the peer's code panicked"),
            Do::Fail => return Err(io::Error::other("down").into()),
            Do::FailFor(time) => Verdict::transient("503").with_retry_after(Some(time)),
            Do::Ignore => Verdict::refused("ours"),
            Do::Throttle => Verdict::throttled("429"),
        };
        Err(Opinion::new(verdict).into())
    }))
}

/// Five failures open it; no ratio, no jitter.
pub(crate) fn consecutive(failures: u32) -> Builder<ErrorClassifier, NoDeadline> {
    CircuitBreakerLayer::any()
        .consecutive_failures(some(failures))
        .no_failure_ratio()
        .jitter(buttress_backoff::Jitter::None)
}

/// A ratio of one half over the last 30 s, at least `minimum` calls, opens it; no jitter.
pub(crate) fn ratio(minimum: u32) -> Builder<ErrorClassifier, NoDeadline> {
    CircuitBreakerLayer::any()
        .no_consecutive_failures()
        .failure_ratio(0.5)
        .minimum_calls(some(minimum))
        .jitter(buttress_backoff::Jitter::None)
}

pub(crate) fn guarded(builder: Builder<ErrorClassifier, NoDeadline>) -> (Guarded, CircuitHandle) {
    let layer = builder.build().unwrap();
    let circuit = layer.handle();
    (ServiceBuilder::new().layer(layer).service(peer()), circuit)
}

pub(crate) async fn call<S>(service: &mut S, what: Do) -> Result<(), BoxError>
where
    S: Service<Do, Response = (), Error = BoxError>,
{
    service.ready().await?.call(what).await
}

pub(crate) async fn calls<S>(service: &mut S, what: Do, times: usize)
where
    S: Service<Do, Response = (), Error = BoxError>,
{
    for _ in 0..times {
        drop(call(service, what).await);
    }
}

/// How long the circuit that refuses this service's calls stays open; none if it does not refuse.
pub(crate) async fn refusal<S>(service: &mut S) -> Option<Option<Duration>>
where
    S: Service<Do, Response = (), Error = BoxError>,
{
    let error = call(service, Do::Succeed).await.err()?;
    find::<Open>(&*error).map(Open::retry_after)
}

pub(crate) const fn some(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

pub(crate) const fn some_keys(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
