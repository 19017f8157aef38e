use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::{Backoff, Random};
use buttress_classify::HttpClassifier;
use buttress_key::Profile;
use http::request::Parts;
use tower_layer::Layer;

use crate::decision::Terms;
use crate::policy::Policy;
use crate::{Budget, Retry};

/// Repeats calls that failed for now, where repeating is safe.
///
/// The layer is its own builder. Clones, and all services that it makes, share one [`Budget`].
#[derive(Clone)]
#[must_use]
pub struct RetryLayer<C = HttpClassifier> {
    policy: Policy<C>,
}

impl RetryLayer {
    /// Three attempts in all, exponential backoff from 1 s up to 20 s with full jitter, a budget of
    /// 20 % of the successes and a reserve of 10 retries per second.
    pub fn new() -> Self {
        Self {
            policy: Policy {
                classifier: HttpClassifier,
                terms: Terms {
                    attempts: NonZeroU32::MIN.saturating_add(2),
                    backoff: Backoff::default(),
                    max_hint: Duration::from_secs(60),
                },
                budget: Budget::default(),
                profile: None,
                safe_when: None,
                within: None,
                replay_cap: 64 * 1024,
                random: None,
            },
        }
    }
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> RetryLayer<C> {
    /// Makes at most so many attempts, the first one included. Default: 3.
    pub const fn attempts(mut self, attempts: NonZeroU32) -> Self {
        self.policy.terms.attempts = attempts;
        self
    }

    /// Waits by this schedule where the peer gave no hint. Default: exponential from 1 s, doubling,
    /// capped at 20 s, full jitter.
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.terms.backoff = backoff;
        self
    }

    /// Pays for retries from this budget. Default: one of its own, [`Budget::default`].
    pub fn budget(mut self, budget: Budget) -> Self {
        self.policy.budget = budget;
        self
    }

    /// The same layer with a budget of its own, on the same terms.
    pub fn isolated(mut self) -> Self {
        self.policy.budget = self.policy.budget.isolated();
        self
    }

    /// Declares what the provider promises about its idempotency key. Default: nothing.
    ///
    /// Requests that carry the key on a method that the profile covers become safe to repeat, and
    /// the profile judges their responses before the classifier does. Give the idempotency key
    /// layer the same value. A key header alone unlocks nothing, for most providers ignore it.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.policy.profile = Some(profile);
        self
    }

    /// Takes requests for which `safe` holds as safe to repeat, whatever their method. Default: none.
    ///
    /// It is asked once an attempt has failed, about the head as the caller gave it, and not about
    /// idempotent methods.
    pub fn safe_when(mut self, safe: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.policy.safe_when = Some(Arc::new(safe));
        self
    }

    /// Waits for no attempt that would begin later than this after the call. Default: no such limit.
    ///
    /// It bounds the backoff alone. An attempt whose inner service is not ready then begins when it
    /// is, and a running one is not cut; that is what a timeout layer is for. An earlier `Deadline`
    /// in the request's extensions counts too.
    pub const fn within(mut self, limit: Duration) -> Self {
        self.policy.within = Some(limit);
        self
    }

    /// Ends the operation where the peer asks for a longer wait than this. Default: 60 s.
    pub const fn max_hint(mut self, limit: Duration) -> Self {
        self.policy.terms.max_hint = limit;
        self
    }

    /// Keeps up to so many bytes of a request's body for its repeats. Default: 65 536.
    ///
    /// A request with a larger body is sent all the same, and not repeated.
    pub const fn replay_cap(mut self, bytes: usize) -> Self {
        self.policy.replay_cap = bytes;
        self
    }

    /// Judges attempts by `classifier`. Default: [`HttpClassifier`].
    pub fn classify<D>(self, classifier: D) -> RetryLayer<D> {
        let Policy {
            classifier: _,
            terms,
            budget,
            profile,
            safe_when,
            within,
            replay_cap,
            random,
        } = self.policy;
        RetryLayer {
            policy: Policy {
                classifier,
                terms,
                budget,
                profile,
                safe_when,
                within,
                replay_cap,
                random,
            },
        }
    }

    /// Draws the jitter from `random`. Default: a generator of the current thread.
    pub fn random(mut self, random: impl Random + Send + Sync + 'static) -> Self {
        self.policy.random = Some(Arc::new(random));
        self
    }
}

impl<S, C: Clone> Layer<S> for RetryLayer<C> {
    type Service = Retry<S, C>;

    fn layer(&self, inner: S) -> Retry<S, C> {
        Retry::new(inner, Arc::new(self.policy.clone()))
    }
}

impl<C: fmt::Debug> fmt::Debug for RetryLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetryLayer").field(&self.policy).finish()
    }
}
