use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tower_layer::Layer;

use crate::resolve::{Fixed, PerTenant, Tenants};
use crate::{Resolve, Scheme, WebhookVerify};

/// Where the wall clock is read.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Lets only verified webhooks through to the inner service.
///
/// The inner service receives the same request with the exact bytes of the body, and
/// [`Verified`](buttress_event::Verified) in its extensions. Whatever is wrong is answered here; the
/// error type stays the inner service's.
pub struct WebhookVerifyLayer<R> {
    resolve: Arc<R>,
    clock: Clock,
}

impl<S: Scheme> WebhookVerifyLayer<Fixed<S>> {
    /// Verifies every request by one scheme.
    #[must_use]
    pub fn new(scheme: S) -> Self {
        Self::with(Fixed::new(scheme))
    }
}

impl<T: Tenants> WebhookVerifyLayer<PerTenant<T>> {
    /// Verifies each request by its tenant's scheme.
    ///
    /// For a tenant that nobody knows, `decoy` does the same work, and the answer is the same 401 as
    /// for a wrong signature. Give it a secret of its own, which need never fit, and as many as tenants
    /// have: each costs a hash of the body. Its cap holds for all, and its source names those refused.
    #[must_use]
    pub fn per_tenant(decoy: T::Scheme, tenants: T) -> Self {
        Self::with(PerTenant::new(decoy, tenants))
    }
}

impl<R: Resolve> WebhookVerifyLayer<R> {
    /// Verifies each request by the scheme that `resolve` finds.
    #[must_use]
    pub fn with(resolve: R) -> Self {
        Self {
            resolve: Arc::new(resolve),
            clock: Arc::new(SystemTime::now),
        }
    }

    /// Sets where the time is read that signed times are compared with. Default: the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl<R> Clone for WebhookVerifyLayer<R> {
    fn clone(&self) -> Self {
        Self {
            resolve: Arc::clone(&self.resolve),
            clock: Arc::clone(&self.clock),
        }
    }
}

impl<R: fmt::Debug> fmt::Debug for WebhookVerifyLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookVerifyLayer")
            .field("resolve", &self.resolve)
            .finish_non_exhaustive()
    }
}

impl<R, S> Layer<S> for WebhookVerifyLayer<R> {
    type Service = WebhookVerify<S, R>;

    fn layer(&self, inner: S) -> WebhookVerify<S, R> {
        WebhookVerify::new(inner, Arc::clone(&self.resolve), Arc::clone(&self.clock))
    }
}
