//! The client that fetches the keys which a delivery names. Read it from the outside in.

use std::time::Duration;

use buttress_body::{CollectLayer, Collected};
use buttress_circuit_breaker::CircuitBreakerLayer;
use buttress_classify::BoxError;
use buttress_retry::RetryLayer;
use buttress_timeout::{TimeoutBody, TimeoutLayer};
use http::Response;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use crate::checkout::shop::stack::{self, Stack};

/// The sender waits meanwhile, ten seconds at most.
const OPERATION: Duration = Duration::from_secs(8);
const ATTEMPT: Duration = Duration::from_secs(3);

/// A certificate is a few thousand bytes.
const LARGEST_KEY: usize = 64 * 1024;

/// A body inside the attempt's timeout, inside the operation's.
type Guarded = TimeoutBody<TimeoutBody<Collected>>;

/// A stack of its own: what becomes of keys says nothing of the provider. It follows no redirects.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client(name: &'static str) -> Result<Stack, BoxError> {
    let stack = ServiceBuilder::new()
        .map_response(|response: Response<Guarded>| {
            response.map(|body| body.into_inner().into_inner())
        })
        .layer(TimeoutLayer::new(OPERATION))
        .layer(RetryLayer::new())
        .layer(CircuitBreakerLayer::http().name(name).build()?)
        .layer(TimeoutLayer::new(ATTEMPT))
        .layer(CollectLayer::up_to(LARGEST_KEY))
        .service(stack::client()?);
    Ok(BoxCloneSyncService::new(stack))
}
