//! A layer of the shop's own, inside retry: every attempt passes it, is counted, and is refused
//! once the shop drains.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use buttress_classify::{BoxError, Class, Classify, HttpClassifier, Opinion, Verdict};
use buttress_key::Profile;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::drain::Drain;

/// Counts the attempts of requests that carry a ticket, and their resends by what made them
/// necessary; lets no attempt at all pass once the shop drains.
#[derive(Clone, Debug)]
pub struct Turnstile {
    counts: Arc<Counts>,
    profile: Profile,
    drain: Drain,
}

#[derive(Debug, Default)]
struct Counts {
    attempts: AtomicU64,
    resends: Mutex<BTreeMap<&'static str, u64>>,
}

/// What one operation's attempts are counted in; it travels in the request's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticket(Arc<Trip>);

#[derive(Debug, Default)]
struct Trip {
    attempts: AtomicU64,
    failed: Mutex<Option<&'static str>>,
}

impl Turnstile {
    /// A turnstile that closes with `drain`.
    #[must_use]
    pub fn new(profile: Profile, drain: Drain) -> Self {
        Self {
            counts: Arc::default(),
            profile,
            drain,
        }
    }

    /// How many attempts have passed.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.counts.attempts.load(Ordering::Relaxed)
    }

    /// How many of them were resends, by the failure of the attempt before.
    #[must_use]
    pub fn resends(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.counts.resends).clone()
    }
}

impl Counts {
    fn count(&self, ticket: &Ticket) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        ticket.0.attempts.fetch_add(1, Ordering::Relaxed);
        if let Some(reason) = lock(&ticket.0.failed).take() {
            *lock(&self.resends).entry(reason).or_default() += 1;
        }
    }
}

impl Ticket {
    /// How many attempts were made with it.
    pub(super) fn attempts(&self) -> u64 {
        self.0.attempts.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for Turnstile {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            turnstile: self.clone(),
        }
    }
}

/// The service made by [`Turnstile`].
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    turnstile: Turnstile,
}

impl<S, B, RB> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<RB>;
    type Error = BoxError;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let ticket = request.extensions().get::<Ticket>().cloned();
        let is_open = !self.turnstile.drain.is_closed();
        if is_open && let Some(ticket) = &ticket {
            self.turnstile.counts.count(ticket);
        }
        CountedFuture {
            attempt: is_open.then(|| self.inner.call(request)),
            ticket,
            classifier: (self.turnstile.profile.clone(), HttpClassifier),
        }
    }
}

pin_project! {
    /// The future of a call through [`Counted`]; without an attempt it is a refusal.
    #[derive(Debug)]
    pub struct CountedFuture<F> {
        #[pin]
        attempt: Option<F>,
        ticket: Option<Ticket>,
        classifier: (Profile, HttpClassifier),
    }
}

impl<F, RB, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<RB>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(attempt) = this.attempt.as_pin_mut() else {
            return Poll::Ready(Err(Draining::default().into()));
        };
        let result = ready!(attempt.poll(cx)).map_err(Into::into);
        if let Some(ticket) = this.ticket {
            let verdict = this.classifier.classify(match &result {
                Ok(response) => Ok(response),
                Err(error) => Err(&**error),
            });
            let failed = verdict.is_none_or(|verdict| verdict.class != Class::Success);
            let reason = verdict.map_or("unclassified", |verdict| verdict.reason);
            *lock(&ticket.0.failed) = failed.then_some(reason);
        }
        Poll::Ready(result)
    }
}

/// The shop drains: no attempt begins any more.
#[derive(Debug)]
pub struct Draining(Opinion);

impl Default for Draining {
    fn default() -> Self {
        Self(Opinion::new(Verdict::refused("draining")))
    }
}

impl fmt::Display for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shop is shutting down")
    }
}

impl Error for Draining {
    /// Its own verdict, which retry reads.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
