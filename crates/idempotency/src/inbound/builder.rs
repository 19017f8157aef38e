use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use buttress_key::{DerivationSecret, IdempotencyKey};
use buttress_store::{Durability, IdempotencyStore, OrphanPolicy, Token};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::reconcile::hook;
use super::settings::{HOUR, Scope, Settings, Terms};
use super::waiters::Waiters;
use super::{BuildError, Executions, Inbound, Reconciled, Unresolved};
use crate::IdempotencyKeyLayer;

/// Settings of the inbound side; all but scope and orphan policy have a default.
#[derive(Clone)]
#[must_use]
pub struct InboundBuilder {
    store: Arc<dyn IdempotencyStore>,
    terms: Terms,
    scope: Option<Scope>,
    orphan: Option<OrphanPolicy>,
    secret: Option<DerivationSecret>,
    max_executions: NonZeroUsize,
    max_per_scope: NonZeroUsize,
    max_waiters: NonZeroUsize,
}

impl InboundBuilder {
    pub(crate) fn new(store: Arc<dyn IdempotencyStore>) -> Self {
        Self {
            store,
            terms: Terms::new(),
            scope: None,
            orphan: None,
            secret: None,
            max_executions: NonZeroUsize::MIN.saturating_add(1023),
            max_per_scope: NonZeroUsize::MIN.saturating_add(63),
            max_waiters: NonZeroUsize::MIN.saturating_add(15),
        }
    }

    /// Whose the request's key is: tenant, account or user, as authentication found it.
    ///
    /// The same key in two scopes is two keys, so nobody is answered what belongs to another. A
    /// request for which there is none is answered 500, and not executed: the layer stands outside
    /// of authentication then. One of the two scope settings is mandatory.
    pub fn scope<F, T>(mut self, scope: F) -> Self
    where
        F: Fn(&Parts) -> Option<T> + Send + Sync + 'static,
        T: AsRef<[u8]>,
    {
        self.scope = Some(Scope::Of(Arc::new(move |head| {
            scope(head).map(|scope| scope.as_ref().to_vec())
        })));
        self
    }

    /// All keys are one tenant's.
    pub fn single_tenant(mut self) -> Self {
        self.scope = Some(Scope::Single);
        self
    }

    /// For webhooks, inside a layer that verifies them: call it before the other settings.
    ///
    /// Scope and key come from [`Verified`](buttress_event::Verified); a request without it is
    /// answered 500, an event that is never deduplicated passes. No difference is refused, for
    /// honest redeliveries change. Only 2xx and 3xx count as handled; after anything else the key is
    /// free at once under [`OrphanPolicy::ReExecute`]. A duplicate is answered as the sender wants
    /// (200), one in flight 503 with `Retry-After`. Remembered for 35 days.
    pub fn webhooks(mut self) -> Self {
        self.scope = Some(Scope::Events);
        self.terms.retention = 35 * 24 * HOUR;
        self
    }

    /// What becomes of a key whose execution was lost. Mandatory: only you know whether your
    /// handler may run twice.
    pub fn orphan_policy(mut self, policy: OrphanPolicy) -> Self {
        self.orphan = Some(policy);
        self
    }

    /// What fingerprints are made with. Default: random, for a store whose records die with the
    /// process; mandatory for any other.
    ///
    /// All processes that share a store need the same one. With another secret an honest repeat
    /// looks like a misuse, so change it no sooner than a retention after its last use.
    pub fn secret(mut self, secret: DerivationSecret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Keeps the keys of this layer apart from others in the same store. Default: empty.
    ///
    /// Needed where two routers see the same path, as nested ones do.
    pub fn namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.terms.namespace = namespace.into();
        self
    }

    /// The header with the key. Default: `Idempotency-Key`.
    ///
    /// A key that an outer layer put into the request's extensions, as an
    /// [`IdempotencyKey`], comes first.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.terms.header = name;
        self
    }

    /// The methods on which a key counts. Default: POST and PATCH; on others it is ignored.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.terms.methods = methods.into_iter().collect();
        self
    }

    /// Answers 400 to a request without a key. Default: it passes, and is not protected.
    pub fn required(mut self) -> Self {
        self.terms.required = true;
        self
    }

    /// Which keys are valid, besides 1 to 255 printable ASCII characters. Default: all. 400 else.
    pub fn accept_when<F>(mut self, accepts: F) -> Self
    where
        F: Fn(&IdempotencyKey) -> bool + Send + Sync + 'static,
    {
        self.terms.accepts = Some(Arc::new(accepts));
        self
    }

    /// What stands for the route in a key's identity. Default: the path, as this layer sees it.
    pub fn route<F>(mut self, route: F) -> Self
    where
        F: Fn(&Parts) -> String + Send + Sync + 'static,
    {
        self.terms.route = Some(Arc::new(route));
        self
    }

    /// What stands for the content in a fingerprint. Default: `Content-Type` and the exact bytes.
    ///
    /// For honest repeats that are not the same bytes: another multipart boundary, another order of
    /// JSON members. Method, path and query always count.
    pub fn canonical<F>(mut self, canonical: F) -> Self
    where
        F: Fn(&Parts, &[u8]) -> Vec<u8> + Send + Sync + 'static,
    {
        self.terms.canonical = Some(Arc::new(canonical));
        self
    }

    /// How long an answer is kept. Default: 24 hours; for webhooks 35 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.terms.retention = retention;
        self
    }

    /// How long a claim lives without renewal. Default: 60 seconds.
    ///
    /// As long as that a key is blocked whose process died.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.terms.lease = lease;
        self
    }

    /// How often a claim is renewed while its handler runs. Default: every 15 seconds.
    pub fn renew_every(mut self, every: Duration) -> Self {
        self.terms.renew_every = every;
        self
    }

    /// The longest that a handler and its answer's body may take. Default: 10 minutes.
    ///
    /// It replaces the request's [`Deadline`](buttress_deadline::Deadline). After that the handler
    /// is dropped, and its client answered 504; its claim ends with its lease.
    pub fn max_hold(mut self, limit: Duration) -> Self {
        self.terms.max_hold = limit;
        self
    }

    /// The limit of one call to the store. Default: 2 seconds.
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.terms.store_timeout = limit;
        self
    }

    /// How long the end of an answer is held until the answer is recorded. Default: 2 seconds.
    ///
    /// After that it is sent, and counted as `unrecorded`; recording goes on.
    pub fn record_within(mut self, limit: Duration) -> Self {
        self.terms.record_within = limit;
        self
    }

    /// What a repeat in flight is told to wait, at most. Default: 1 second.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.terms.retry_after = wait;
        self
    }

    /// Lets a repeat in flight wait this long for the answer. Default: it is answered at once.
    pub fn wait(mut self, limit: Duration) -> Self {
        self.terms.wait = Some(limit);
        self
    }

    /// How many repeats of one key may wait; more are answered at once. Default: 16.
    pub fn max_waiters(mut self, waiters: NonZeroUsize) -> Self {
        self.max_waiters = waiters;
        self
    }

    /// How many handlers may run under a key. Default: 1 024. One more is answered 503.
    pub fn max_executions(mut self, executions: NonZeroUsize) -> Self {
        self.max_executions = executions;
        self
    }

    /// How many of them may be of one scope. Default: 64; without limit for a single tenant.
    pub fn max_executions_per_scope(mut self, executions: NonZeroUsize) -> Self {
        self.max_per_scope = executions;
        self
    }

    /// The most bytes of a request's body. Default: 1 MiB. A larger one is answered 413.
    pub fn request_cap(mut self, bytes: usize) -> Self {
        self.terms.request_cap = bytes;
        self
    }

    /// The most bytes of an answer's body that are kept. Default: 1 MiB.
    ///
    /// A larger answer reaches its client whole; a repeat is told, by 409, that it was executed and
    /// that the answer is not kept.
    pub fn response_cap(mut self, bytes: usize) -> Self {
        self.terms.response_cap = bytes;
        self
    }

    /// Which answers are kept. Default: all but 401, 403, 408, 409, 425, 429 and 5xx.
    ///
    /// `|_| true` keeps failures too, as some providers do.
    pub fn keep_when<F>(mut self, keeps: F) -> Self
    where
        F: Fn(StatusCode) -> bool + Send + Sync + 'static,
    {
        self.terms.keeps = Some(Arc::new(keeps));
        self
    }

    /// Frees the key at once after an answer that is not kept. Default: it is blocked until the
    /// lease ends, for the handler may have done half of its work.
    pub fn free_unkept(mut self) -> Self {
        self.terms.free_unkept = true;
        self
    }

    /// Executes without protection while the store is down. Default: such a request is answered
    /// 503, for it may have been executed before.
    ///
    /// The answer then carries `Idempotency-Status: unprotected`. The handler has an
    /// [`Execution`](crate::Execution) all the same, for its child keys, though nothing is claimed.
    pub fn fail_open(mut self) -> Self {
        self.terms.fail_open = true;
        self
    }

    /// Keeps this response header out of replays, besides those of one connection, moment or client.
    pub fn exclude_header(mut self, name: HeaderName) -> Self {
        self.terms.excluded.push(name);
        self
    }

    /// Asks the application what became of a lost execution, when its request is repeated.
    ///
    /// Under [`OrphanPolicy::Refuse`]. Default: nobody is asked, and the repeat is answered 409.
    /// `None` is "I cannot say". It runs while the client waits, and has no limit of its own;
    /// several repeats may ask at once, and the first result stays.
    pub fn reconcile<F, Fut>(mut self, reconcile: F) -> Self
    where
        F: Fn(Unresolved) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Reconciled>> + Send + 'static,
    {
        self.terms.reconcile = Some(Arc::from(hook(reconcile)));
        self
    }

    /// What problem types begin with. Default: `urn:buttress:problem:`.
    pub fn types(mut self, prefix: impl Into<Cow<'static, str>>) -> Self {
        self.terms.problems.prefix = prefix.into();
        self
    }

    /// Where your rules for keys are written down: a `Link` with `rel="describedby"` in every 4xx
    /// of this layer. Default: none.
    pub fn described_by(mut self, uri: impl Into<String>) -> Self {
        self.terms.described_by = Some(uri.into());
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says what is missing or does not fit.
    pub fn build(self) -> Result<IdempotencyKeyLayer<Inbound>, BuildError> {
        let mut terms = self.terms;
        let scope = self.scope.ok_or(BuildError::NoScope)?;
        let orphan = self.orphan.ok_or(BuildError::NoOrphanPolicy)?;
        if terms.methods.is_empty() {
            return Err(BuildError::NoMethod);
        }
        let limits = [
            terms.retention,
            terms.lease,
            terms.renew_every,
            terms.max_hold,
            terms.store_timeout,
        ];
        if limits.iter().any(Duration::is_zero) {
            return Err(BuildError::ZeroDuration);
        }
        if terms.renew_every > terms.lease / 2 {
            return Err(BuildError::RenewedTooLate);
        }
        terms.problems.link = terms.described_by.as_deref().map(link).transpose()?;
        let secret = match self.secret {
            Some(secret) => secret,
            None if matches!(scope, Scope::Events) => process_secret()?,
            None if is_of_the_process(&*self.store) => process_secret()?,
            None => return Err(BuildError::NoSecret),
        };
        let settings = Settings {
            terms,
            store: self.store,
            scope,
            orphan,
            secret,
            executions: Executions::new(self.max_executions, self.max_per_scope),
            waiters: Waiters::new(self.max_waiters),
        };
        Ok(IdempotencyKeyLayer {
            side: Inbound::new(Arc::new(settings)),
        })
    }
}

impl fmt::Debug for InboundBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundBuilder")
            .field("terms", &self.terms)
            .field("scope", &self.scope)
            .field("orphan", &self.orphan)
            .finish_non_exhaustive()
    }
}

fn link(uri: &str) -> Result<HeaderValue, BuildError> {
    if uri.contains(['<', '>', '"']) {
        return Err(BuildError::BadLink);
    }
    let link = format!("<{uri}>; rel=\"describedby\"");
    HeaderValue::try_from(link).map_err(|_| BuildError::BadLink)
}

fn is_of_the_process(store: &dyn IdempotencyStore) -> bool {
    let able = store.capabilities();
    able.durability == Durability::Process && !able.shared
}

/// One for all layers of the process, which may share a store.
fn process_secret() -> Result<DerivationSecret, BuildError> {
    static SECRET: OnceLock<Option<DerivationSecret>> = OnceLock::new();
    let draw = || DerivationSecret::new(Token::random().ok()?.as_bytes()).ok();
    SECRET.get_or_init(draw).clone().ok_or(BuildError::NoSecret)
}
