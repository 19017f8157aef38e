//! Whole stacks with their numbers chosen, for those who would choose the same ones.

use std::time::Duration;

use buttress_body::CollectLayer;
use buttress_idempotency::{IdempotencyKeyLayer, Outbound};
use buttress_key::Profile;
use buttress_retry::{Budget, RetryLayer};
use buttress_timeout::{Exchange, TimeoutLayer};
use tower_layer::Stack;

/// The longest that a payment takes, all attempts and waits together.
pub const OPERATION: Duration = Duration::from_secs(30);
/// The longest that one attempt takes.
pub const ATTEMPT: Duration = Duration::from_secs(10);
/// The largest response that is read before it is handed on.
pub const RESPONSE: usize = 64 * 1024;

/// The layer of [`payments`].
pub type Payments = Stack<
    CollectLayer,
    Stack<
        TimeoutLayer<Exchange>,
        Stack<RetryLayer, Stack<TimeoutLayer<Exchange>, IdempotencyKeyLayer<Outbound>>>,
    >,
>;

/// Calls a payment provider whose promise about keys is `profile`.
///
/// Outermost first: the key of each request, which the caller brings as an
/// [`OutboundKey`](buttress_idempotency::OutboundKey); [`OPERATION`] for everything, written as a
/// deadline so that no wait outlasts it; three attempts within [`Budget::payments`]; [`ATTEMPT`] for
/// each; responses up to [`RESPONSE`] read whole, so that a truncated one is a failed attempt.
///
/// Clones of the layer, and the services that it makes, share one budget and one memory of keys.
///
/// ```
/// # use std::time::SystemTime;
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
/// use buttress::{idempotency::OutboundKey, key::{IdempotencyKey, Profile}, preset};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// # async fn client<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, BoxError> {
/// #     Ok(Response::default())
/// # }
/// let mut payments = ServiceBuilder::new()
///     .layer(preset::payments(Profile::stripe_v1()))
///     .service_fn(client);
///
/// let key = OutboundKey::new(IdempotencyKey::generate()?, SystemTime::now());
/// let request = Request::post("https://api.stripe.com/v1/payment_intents")
///     .extension(key)
///     .body(Full::new(Bytes::from("amount=1999&currency=eur")))?;
/// let response = payments.ready().await?.call(request).await?;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn payments(profile: Profile) -> Payments {
    let key = IdempotencyKeyLayer::outbound(profile.clone());
    let operation = TimeoutLayer::new(OPERATION).deadline();
    let retry = RetryLayer::new()
        .profile(profile)
        .budget(Budget::payments());
    let attempt = TimeoutLayer::new(ATTEMPT);
    let collect = CollectLayer::up_to(RESPONSE);
    // A stack names its inner layer first.
    Stack::new(
        collect,
        Stack::new(attempt, Stack::new(retry, Stack::new(operation, key))),
    )
}
