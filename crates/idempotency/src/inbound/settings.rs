use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use buttress_key::{DerivationSecret, IdempotencyKey};
use buttress_store::{IdempotencyStore, OrphanPolicy};
use http::request::Parts;
use http::{HeaderName, Method, Response, StatusCode};

use super::problems::{Problems, Refused};
use super::reconcile::Hook;
use super::waiters::Waiters;
use super::{Executions, Recorded};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// Whose a key is.
#[derive(Clone)]
pub(crate) enum Scope {
    /// Events: the receipt of the verified webhook says it.
    Events,
    /// What the application says.
    Of(Arc<ScopeOf>),
    /// There is one tenant alone.
    Single,
}

pub(crate) type ScopeOf = dyn Fn(&Parts) -> Option<Vec<u8>> + Send + Sync;
pub(crate) type RouteOf = dyn Fn(&Parts) -> String + Send + Sync;
pub(crate) type Canonical = dyn Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync;
pub(crate) type Accepts = dyn Fn(&IdempotencyKey) -> bool + Send + Sync;
pub(crate) type Keeps = dyn Fn(StatusCode) -> bool + Send + Sync;

/// What can be set and has a default.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) namespace: Arc<str>,
    pub(crate) header: HeaderName,
    pub(crate) methods: Arc<[Method]>,
    pub(crate) required: bool,
    pub(crate) accepts: Option<Arc<Accepts>>,
    pub(crate) route: Option<Arc<RouteOf>>,
    pub(crate) canonical: Option<Arc<Canonical>>,
    pub(crate) retention: Duration,
    pub(crate) lease: Duration,
    pub(crate) renew_every: Duration,
    pub(crate) max_hold: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) record_within: Duration,
    pub(crate) retry_after: Duration,
    pub(crate) wait: Option<Duration>,
    pub(crate) request_cap: usize,
    pub(crate) response_cap: usize,
    pub(crate) keeps: Option<Arc<Keeps>>,
    pub(crate) free_unkept: bool,
    pub(crate) fail_open: bool,
    pub(crate) excluded: Vec<HeaderName>,
    pub(crate) reconcile: Option<Arc<Hook>>,
    pub(crate) problems: Problems,
    pub(crate) described_by: Option<String>,
}

/// Everything that a request needs to know.
pub(crate) struct Settings {
    pub(crate) terms: Terms,
    pub(crate) store: Arc<dyn IdempotencyStore>,
    pub(crate) scope: Scope,
    pub(crate) orphan: OrphanPolicy,
    pub(crate) secret: DerivationSecret,
    pub(crate) executions: Executions,
    pub(crate) waiters: Waiters,
}

impl Terms {
    pub(crate) fn new() -> Self {
        Self {
            namespace: Arc::from(""),
            header: HeaderName::from_static("idempotency-key"),
            methods: Arc::from([Method::POST, Method::PATCH]),
            required: false,
            accepts: None,
            route: None,
            canonical: None,
            retention: 24 * HOUR,
            lease: Duration::from_secs(60),
            renew_every: Duration::from_secs(15),
            max_hold: Duration::from_secs(10 * 60),
            store_timeout: Duration::from_secs(2),
            record_within: Duration::from_secs(2),
            retry_after: Duration::from_secs(1),
            wait: None,
            request_cap: 1 << 20,
            response_cap: 1 << 20,
            keeps: None,
            free_unkept: false,
            fail_open: false,
            excluded: Vec::new(),
            reconcile: None,
            problems: Problems::new(),
            described_by: None,
        }
    }
}

impl Settings {
    /// Is an answer of this status kept for repeats?
    pub(crate) fn keeps(&self, status: StatusCode) -> bool {
        if let Some(keeps) = &self.terms.keeps {
            return keeps(status);
        }
        if self.is_for_events() {
            return status.is_success() || status.is_redirection();
        }
        // Refusals that another try may change, and failures that may have done half of the work.
        !matches!(status.as_u16(), ..200 | 401 | 403 | 408 | 409 | 425 | 429 | 500..)
    }

    /// Is the key free at once after an answer that is not kept?
    pub(crate) fn frees_unkept(&self) -> bool {
        self.terms.free_unkept
            || (self.is_for_events() && matches!(self.orphan, OrphanPolicy::ReExecute))
    }

    /// The answer to what is not executed, in the words of its client.
    pub(crate) fn refuse<RB>(&self, refused: Refused) -> Response<Recorded<RB>> {
        self.terms.problems.answer(refused, self.is_for_events())
    }

    pub(crate) const fn is_for_events(&self) -> bool {
        matches!(self.scope, Scope::Events)
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("namespace", &self.namespace)
            .field("header", &self.header)
            .field("methods", &self.methods)
            .field("required", &self.required)
            .field("retention", &self.retention)
            .field("lease", &self.lease)
            .field("renew_every", &self.renew_every)
            .field("max_hold", &self.max_hold)
            .field("wait", &self.wait)
            .field("request_cap", &self.request_cap)
            .field("response_cap", &self.response_cap)
            .field("fail_open", &self.fail_open)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "Events",
            Self::Of(_) => "Of(..)",
            Self::Single => "Single",
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("terms", &self.terms)
            .field("scope", &self.scope)
            .field("orphan", &self.orphan)
            .field("executions", &self.executions)
            .field("waiters", &self.waiters)
            .finish_non_exhaustive()
    }
}
