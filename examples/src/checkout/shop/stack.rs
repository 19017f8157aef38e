//! The stack through which every call to the provider goes. Read it from the outside in.

use std::time::Duration;

use buttress_body::{CollectLayer, Collected};
use buttress_classify::BoxError;
use buttress_idempotency::IdempotencyKeyLayer;
use buttress_key::{DerivationSecret, Profile};
use buttress_retry::RetryLayer;
use buttress_timeout::{TimeoutBody, TimeoutLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use super::breaker::Breaker;
use super::turnstile::Turnstile;

/// The stack as a value: whatever it is made of, this is how it is called.
pub type Stack = BoxCloneSyncService<Request<Full<Bytes>>, Response<Collected>, BoxError>;

/// A body inside the attempt's timeout, inside the operation's.
type Guarded = TimeoutBody<TimeoutBody<Collected>>;

/// How long the shop waits for its provider, and how much it asks of it at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// One attempt.
    pub attempt: Duration,
    /// All attempts of one operation, and the waits between them.
    pub operation: Duration,
    /// Operations at the same time.
    pub concurrency: usize,
}

/// The layers of which the shop keeps a hold: it asks them how they stand.
#[derive(Clone, Debug)]
pub struct Gates {
    /// Refuses calls to a provider that keeps failing.
    pub breaker: Breaker,
    /// Counts attempts, and lets none begin once the shop drains.
    pub turnstile: Turnstile,
}

/// An answer of the provider is a few hundred bytes; a larger one is read as a stream.
const LARGEST_ANSWER: usize = 64 * 1024;

/// The stack of the shop. `secret` is what its rows' fingerprints were made with.
///
/// # Errors
/// When TLS cannot be set up.
pub fn payments(
    profile: &Profile,
    secret: &DerivationSecret,
    limits: &Limits,
    gates: &Gates,
) -> Result<Stack, BoxError> {
    let stack = ServiceBuilder::new()
        // The bodies have been read by now; what guarded their reading is done.
        .map_response(|response: Response<Guarded>| {
            response.map(|body| body.into_inner().into_inner())
        })
        // Callers queue here, before anything of theirs is on the wire.
        .concurrency_limit(limits.concurrency)
        // One key for all attempts: it stands outside retry, and outlives the operation's timeout.
        .layer(IdempotencyKeyLayer::outbound(profile.clone()).fingerprints(secret.clone()))
        // The operation: every attempt, and every wait between two of them.
        .layer(TimeoutLayer::new(limits.operation))
        // Three attempts, 1 s × 2 with full jitter, within a budget: the defaults. The profile is
        // what makes a POST safe to repeat, and it must be the key layer's.
        .layer(RetryLayer::new().profile(profile.clone()))
        // It sees each attempt and its timeout. While it is open nothing is sent, and retry, which
        // knows a refusal by its verdict, does not insist.
        .layer(gates.breaker.layer())
        // The shop's own: counts every attempt, and lets none begin once the shop drains.
        .layer(gates.turnstile.clone())
        // One attempt.
        .layer(TimeoutLayer::new(limits.attempt))
        // A body that stalls or is cut short is a failed attempt, which all layers above see.
        .layer(CollectLayer::up_to(LARGEST_ANSWER))
        .service(client()?);
    Ok(BoxCloneSyncService::new(stack))
}

/// The client under it: HTTP/1 and HTTP/2, over TLS where the URL says so.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client<B>() -> Result<Client<HttpsConnector<HttpConnector>, B>, BoxError>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .build();
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector))
}
