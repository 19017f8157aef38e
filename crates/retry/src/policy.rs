use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use buttress_backoff::{Random, thread_random};
use buttress_classify::{Class, Classify, DynError, Health, Sent, Verdict, find};
use buttress_deadline::Deadline;
use buttress_key::{Profile, Stores};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use crate::decision::Terms;
use crate::{Attempts, Budget, Exhausted, Outcome};

type SafeWhen = dyn Fn(&Parts) -> bool + Send + Sync;
type SharedRandom = dyn Random + Send + Sync;

/// Everything that a layer's users set, and the budget that all its services share.
#[derive(Clone)]
pub(crate) struct Policy<C> {
    pub(crate) classifier: C,
    pub(crate) terms: Terms,
    pub(crate) budget: Budget,
    pub(crate) profile: Option<Profile>,
    pub(crate) safe_when: Option<Arc<SafeWhen>>,
    pub(crate) within: Option<Duration>,
    pub(crate) replay_cap: usize,
    pub(crate) random: Option<Arc<SharedRandom>>,
}

impl<C> Policy<C> {
    /// Does the request carry the key of the declared profile?
    #[inline]
    pub(crate) fn is_keyed(
        &self,
        method: &Method,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> bool {
        self.profile
            .as_ref()
            .is_some_and(|profile| profile.is_keyed(method, headers, extensions))
    }

    /// Could there be a second attempt with this body?
    pub(crate) fn may_repeat(&self, body: &impl Body) -> bool {
        self.terms.attempts > NonZeroU32::MIN && body.size_hint().lower() <= self.replay_cap as u64
    }

    /// The layer's own deadline for a call that begins now.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.within
            .map(|limit| Deadline::after(Instant::now(), limit))
    }

    /// May this request be repeated after this outcome, though it may have been executed?
    pub(crate) fn is_safe<RB>(
        &self,
        head: &Parts,
        keyed: bool,
        outcome: Result<&Response<RB>, &DynError>,
    ) -> bool {
        // A provider that keeps successes alone executes again after a failure that it reported.
        let executes_again = || {
            self.profile.as_ref().is_some_and(|profile| {
                profile.stores() == Stores::SuccessOnly
                    && outcome.is_ok_and(|response| response.status().is_server_error())
            })
        };
        head.method.is_idempotent()
            || self.safe_when.as_ref().is_some_and(|safe| safe(head))
            || keyed && !executes_again()
    }

    /// Is the response a success, whether its request carries a key or not? A profile speaks of
    /// statuses that are errors alone.
    #[inline]
    pub(crate) fn is_success<RB>(&self, response: &Response<RB>) -> bool
    where
        C: Classify<Response<RB>>,
    {
        let status = response.status();
        !status.is_client_error()
            && !status.is_server_error()
            && self.classifier.is_success(response)
    }

    /// Judges a response: the profile first where the request carries its key.
    #[cold]
    pub(crate) fn judge<RB>(&self, keyed: bool, response: &Response<RB>) -> Verdict
    where
        C: Classify<Response<RB>>,
    {
        if keyed && let Some(verdict) = self.judge_by_profile(response) {
            return verdict;
        }
        match self.classifier.classify(Ok(response)) {
            Some(verdict) => verdict,
            None => Verdict::rejected("unclassified"),
        }
    }

    fn judge_by_profile<RB>(&self, response: &Response<RB>) -> Option<Verdict> {
        self.profile.as_ref()?.classify(Ok(response))
    }

    /// Judges an error. A profile tells of responses alone.
    #[cold]
    pub(crate) fn judge_error<RB>(&self, error: &DynError) -> Verdict
    where
        C: Classify<Response<RB>>,
    {
        self.classifier
            .classify(Err(error))
            .unwrap_or(Verdict::permanent("unclassified"))
    }

    /// What is known about the operation's effect, once its last attempt has ended with `verdict`.
    pub(crate) fn outcome<RB>(
        &self,
        keyed: bool,
        before: Sent,
        verdict: &Verdict,
        last: Result<&Response<RB>, &DynError>,
    ) -> Outcome {
        if verdict.class == Class::Success {
            return Outcome::Definite;
        }
        if before.max(verdict.sent) == Sent::No {
            return Outcome::NotExecuted;
        }
        match last {
            Ok(response) if verdict.class == Class::Permanent => {
                // A replayed 5xx tells that the provider failed, not how far it had come.
                let replayed_failure =
                    verdict.health == Health::Neutral && response.status().is_server_error();
                if !replayed_failure && (before == Sent::No || self.keeps(keyed, response)) {
                    Outcome::Definite
                } else {
                    Outcome::Unknown
                }
            }
            _ => Outcome::Unknown,
        }
    }

    /// Is this the answer that the provider keeps for whichever attempt executes under the key?
    fn keeps<RB>(&self, keyed: bool, response: &Response<RB>) -> bool {
        let Some(profile) = self.profile.as_ref().filter(|_| keyed) else {
            return false;
        };
        let status = response.status();
        profile.stores() == Stores::Executed
            && status.is_client_error()
            && (profile.is_replay(response.headers())
                || !(precedes_execution(status)
                    || profile.is_mismatch(status)
                    || profile.certifies_unexecuted(status)))
    }

    pub(crate) fn random(&self) -> &SharedRandom {
        self.random.as_deref().unwrap_or(&thread_random)
    }

    /// Records a success.
    pub(crate) fn deposit(&self) {
        if self.budget.is_limited() {
            self.budget.deposit(Instant::now());
        }
    }
}

/// What another retry layer further in knows about attempts that this one took for a single one.
pub(crate) fn sent_further_in<RB>(outcome: Result<&Response<RB>, &DynError>) -> Sent {
    let attempts = match outcome {
        Ok(response) => response.extensions().get::<Attempts>(),
        Err(error) => find::<Exhausted>(error).map(Exhausted::attempts),
    };
    attempts.map_or(Sent::No, |attempts| attempts.sent)
}

/// Refusals by what stands before a provider's store of keys: they are not kept, and say nothing
/// about an earlier attempt.
fn precedes_execution(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::CONFLICT
            | StatusCode::MISDIRECTED_REQUEST
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
    )
}

impl<C: fmt::Debug> fmt::Debug for Policy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("classifier", &self.classifier)
            .field("terms", &self.terms)
            .field("budget", &self.budget)
            .field("profile", &self.profile)
            .field("within", &self.within)
            .field("replay_cap", &self.replay_cap)
            .finish_non_exhaustive()
    }
}
