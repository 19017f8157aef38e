use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as poll_ready};

use buttress_event::Tenant;
use http::request::Parts;
use pin_project_lite::pin_project;

use crate::{BoxError, Facts, Scheme};

/// How a layer finds the scheme that verifies a request: always the same one, or its tenant's.
///
/// Users of one scheme need none of this, nor do users who implement [`Tenants`].
pub trait Resolve: Send + Sync + 'static {
    /// What is found.
    type Scheme: Scheme;
    /// Ends in the scheme, or in an error that the sender hears as 503.
    type Future: Future<Output = Result<Found<Self::Scheme>, BoxError>> + Send + 'static;

    /// What holds for every request: above all the cap.
    fn facts(&self) -> &Facts;

    /// Finds the scheme for a request.
    fn resolve(&self, head: &Parts) -> Self::Future;
}

/// The scheme for one request.
#[derive(Debug)]
pub struct Found<S> {
    scheme: Arc<S>,
    owner: Owner,
}

#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// There is but one.
    All,
    /// No tenant: the work is done, and the answer is no.
    Nobody,
    Tenant(Tenant),
}

impl<S> Found<S> {
    /// A scheme that stands for all tenants.
    #[must_use]
    pub const fn for_all(scheme: Arc<S>) -> Self {
        Self {
            scheme,
            owner: Owner::All,
        }
    }

    /// A tenant's scheme.
    #[must_use]
    pub const fn tenant(tenant: Tenant, scheme: Arc<S>) -> Self {
        Self {
            scheme,
            owner: Owner::Tenant(tenant),
        }
    }

    /// A scheme that does the work for a tenant that nobody knows; whatever it finds, the answer
    /// is 401.
    #[must_use]
    pub const fn nobody(decoy: Arc<S>) -> Self {
        Self {
            scheme: decoy,
            owner: Owner::Nobody,
        }
    }

    pub(crate) fn into_parts(self) -> (Arc<S>, Owner) {
        (self.scheme, self.owner)
    }
}

/// One scheme for every request; see [`WebhookVerifyLayer::new`](crate::WebhookVerifyLayer::new).
pub struct Fixed<S>(Arc<S>);

impl<S> Fixed<S> {
    pub(crate) fn new(scheme: S) -> Self {
        Self(Arc::new(scheme))
    }
}

impl<S: Scheme> Resolve for Fixed<S> {
    type Scheme = S;
    type Future = Ready<Result<Found<S>, BoxError>>;

    fn facts(&self) -> &Facts {
        self.0.facts()
    }

    fn resolve(&self, _head: &Parts) -> Self::Future {
        ready(Ok(Found::for_all(Arc::clone(&self.0))))
    }
}

impl<S: Scheme> fmt::Debug for Fixed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fixed").field(self.0.facts()).finish()
    }
}

/// Whose scheme verifies a request, where each tenant has secrets of its own.
///
/// Read the tenant from what is configured on the sender's side: the path, or the host. Whatever
/// the body says is unverified at this point, and not yet read.
///
/// Closures implement it:
///
/// ```
/// use std::sync::Arc;
/// use buttress_event::Tenant;
/// use buttress_webhook::{BoxError, HmacScheme, WebhookVerifyLayer, stripe};
/// use http::request::Parts;
///
/// let acme = Arc::new(stripe("whsec_acme")?);
/// let layer = WebhookVerifyLayer::per_tenant(stripe("nobody's secret")?, move |head: &Parts| {
///     let found = match head.uri.path() {
///         "/hooks/acme" => Some((Tenant::new("acme"), Arc::clone(&acme))),
///         _ => None,
///     };
///     async move { Ok::<_, BoxError>(found) }
/// });
/// # Ok::<(), buttress_webhook::InvalidSecret>(())
/// ```
pub trait Tenants: Send + Sync + 'static {
    /// What each tenant has one of; keep it ready made, so that its keys are set up once.
    type Scheme: Scheme;
    /// Ends in the tenant, in `None` if nobody knows it, or in an error: the sender hears 503.
    type Future: Future<Output = Result<Option<(Tenant, Arc<Self::Scheme>)>, BoxError>>
        + Send
        + 'static;

    /// Finds the tenant of a request.
    fn find(&self, head: &Parts) -> Self::Future;
}

impl<F, Fut, S> Tenants for F
where
    F: Fn(&Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<(Tenant, Arc<S>)>, BoxError>> + Send + 'static,
    S: Scheme,
{
    type Scheme = S;
    type Future = Fut;

    fn find(&self, head: &Parts) -> Fut {
        self(head)
    }
}

/// Schemes by tenant; see [`WebhookVerifyLayer::per_tenant`](crate::WebhookVerifyLayer::per_tenant).
pub struct PerTenant<T: Tenants> {
    decoy: Arc<T::Scheme>,
    tenants: T,
}

impl<T: Tenants> PerTenant<T> {
    pub(crate) fn new(decoy: T::Scheme, tenants: T) -> Self {
        Self {
            decoy: Arc::new(decoy),
            tenants,
        }
    }
}

impl<T: Tenants> Resolve for PerTenant<T> {
    type Scheme = T::Scheme;
    type Future = OrDecoy<T::Future, T::Scheme>;

    fn facts(&self) -> &Facts {
        self.decoy.facts()
    }

    fn resolve(&self, head: &Parts) -> Self::Future {
        OrDecoy {
            found: self.tenants.find(head),
            decoy: Arc::clone(&self.decoy),
        }
    }
}

impl<T: Tenants> fmt::Debug for PerTenant<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerTenant")
            .field("facts", self.decoy.facts())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// Looks a tenant up; falls back to the decoy.
    pub struct OrDecoy<F, S> {
        #[pin]
        found: F,
        decoy: Arc<S>,
    }
}

impl<F, S> fmt::Debug for OrDecoy<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrDecoy").finish_non_exhaustive()
    }
}

impl<F, S> Future for OrDecoy<F, S>
where
    F: Future<Output = Result<Option<(Tenant, Arc<S>)>, BoxError>>,
{
    type Output = Result<Found<S>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(Ok(match poll_ready!(this.found.poll(cx))? {
            Some((tenant, scheme)) => Found::tenant(tenant, scheme),
            None => Found::nobody(Arc::clone(this.decoy)),
        }))
    }
}
