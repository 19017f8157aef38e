use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use buttress_body::ReplayBody;
use buttress_classify::{BoxError, Class, Classify, DynError, Sent, Verdict};
use buttress_deadline::Deadline;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Response};
use http_body::Body;
use tokio::time::Instant;

use crate::decision::{Decision, Facts};
use crate::drain::Wait;
use crate::policy::{Policy, sent_further_in};
use crate::{Attempt, Attempts, Exhausted, Reason, telemetry};

/// What an operation remembers from one attempt to the next.
pub(crate) struct Operation<C> {
    policy: Arc<Policy<C>>,
    /// The request carries the declared profile's key; asked of the head while that is kept.
    keyed: bool,
    /// The layer's own; the request's stands in its head.
    deadline: Option<Deadline>,
    /// What came before the attempt under way; `None` while it is the first.
    past: Option<Past>,
    /// The first attempt is under way, and its outcome was never waited for.
    at_once: bool,
}

/// What the attempts so far came to.
#[derive(Clone, Copy)]
struct Past {
    attempts: NonZeroU32,
    sent: Sent,
    waited: Duration,
    /// The last wait.
    previous: Duration,
}

/// What follows an attempt.
pub(crate) enum Next<RB> {
    /// This is the operation's own result.
    Done(Result<Response<RB>, BoxError>),
    /// Another attempt, after the wait.
    Wait(Wait<RB>),
}

/// What was kept of the request.
pub(crate) struct Kept<'a, B> {
    /// `None` if it cannot be repeated.
    pub(crate) head: Option<&'a Parts>,
    /// `None` with the head.
    pub(crate) body: Option<&'a ReplayBody<B>>,
}

impl<C> Operation<C> {
    pub(crate) const fn new(policy: Arc<Policy<C>>) -> Self {
        Self {
            policy,
            keyed: false,
            deadline: None,
            past: None,
            at_once: true,
        }
    }

    /// Starts the layer's own deadline: it bounds further attempts alone.
    pub(crate) fn start_deadline(&mut self) {
        self.deadline = self.policy.deadline();
    }

    /// Notes what a head says that is not kept. Most calls succeed, and nobody asks.
    pub(crate) fn give_away(
        &mut self,
        method: &Method,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) {
        self.keyed = self.policy.is_keyed(method, headers, extensions);
    }

    /// The number that a resend carries.
    pub(crate) fn number(&self) -> Attempt {
        Attempt(self.attempt())
    }

    fn is_keyed<B>(&self, kept: Kept<'_, B>) -> bool {
        kept.head.map_or(self.keyed, |head| {
            self.policy
                .is_keyed(&head.method, &head.headers, &head.extensions)
        })
    }

    /// The ordinal of the attempt under way.
    fn attempt(&self) -> NonZeroU32 {
        self.past
            .map_or(NonZeroU32::MIN, |past| past.attempts.saturating_add(1))
    }

    fn waited(&self) -> Duration {
        self.past.map_or(Duration::ZERO, |past| past.waited)
    }

    /// Could the peer have begun work in an attempt before the one under way?
    fn sent_before(&self) -> Sent {
        self.past.map_or(Sent::No, |past| past.sent)
    }

    /// No attempt follows the one under way, whatever its outcome.
    pub(crate) fn is_last(&self) -> bool {
        self.attempt() >= self.policy.terms.attempts
    }

    /// Notes that an attempt has to wait for its outcome.
    pub(crate) const fn pended(&mut self) {
        self.at_once = false;
    }

    /// Records a success that came at once, without an attempt before it or a look at the clock;
    /// else false.
    #[inline]
    pub(crate) fn settle_at_once<RB>(&self, response: &Response<RB>) -> bool
    where
        C: Classify<Response<RB>>,
    {
        self.at_once && self.policy.is_success(response) && self.policy.budget.deposit_lately()
    }

    /// Weighs an attempt that was sent.
    pub(crate) fn after_call<RB, B>(
        &mut self,
        result: Result<Response<RB>, BoxError>,
        kept: Kept<'_, B>,
    ) -> Next<RB>
    where
        C: Classify<Response<RB>>,
        RB: Body,
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let verdict = match &result {
            Ok(response) if self.past.is_none() && self.policy.is_success(response) => {
                self.policy.deposit();
                return Next::Done(result);
            }
            Ok(response) => self.policy.judge(self.is_keyed(kept), response),
            Err(error) => self.policy.judge_error::<RB>(&**error),
        };
        if verdict.class == Class::Success {
            self.policy.deposit();
        }
        self.weigh(result, verdict, kept)
    }

    /// Weighs an attempt that could not be made: nothing was sent.
    #[cold]
    pub(crate) fn after_no_call<RB, B>(&mut self, error: BoxError, kept: Kept<'_, B>) -> Next<RB>
    where
        C: Classify<Response<RB>>,
        RB: Body,
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let verdict = self.policy.judge_error::<RB>(&*error).unsent();
        self.weigh(Err(error), verdict, kept)
    }

    fn weigh<RB, B>(
        &mut self,
        result: Result<Response<RB>, BoxError>,
        mut verdict: Verdict,
        kept: Kept<'_, B>,
    ) -> Next<RB>
    where
        RB: Body,
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        verdict.sent = verdict.sent.max(sent_further_in(borrow(&result)));
        let keyed = self.is_keyed(kept);
        let now = Instant::now();
        match self.decide(borrow(&result), verdict, keyed, kept, now) {
            Decision::Retry(delay) => {
                telemetry::resend(self.attempt().get(), delay, verdict.reason);
                self.at_once = false;
                self.past = Some(Past {
                    attempts: self.attempt(),
                    sent: self.sent_before().max(verdict.sent),
                    waited: self.waited().saturating_add(delay),
                    previous: delay,
                });
                Next::Wait(Wait::new(now, delay, result.ok().map(Response::into_body)))
            }
            Decision::Stop(reason) => {
                if !matches!(reason, Reason::Success | Reason::Permanent) {
                    telemetry::refused(self.attempt().get(), verdict.reason, reason);
                }
                Next::Done(self.tell(result, &verdict, keyed, reason))
            }
        }
    }

    fn decide<RB, B>(
        &self,
        outcome: Result<&Response<RB>, &DynError>,
        verdict: Verdict,
        keyed: bool,
        kept: Kept<'_, B>,
        now: Instant,
    ) -> Decision
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let facts = Facts {
            verdict,
            attempt: self.attempt(),
            sent: self.sent_before().max(verdict.sent),
            safe: kept
                .head
                .is_none_or(|head| self.policy.is_safe(head, keyed, outcome)),
            replayable: kept.is_replayable(),
            previous: self.past.map_or(Duration::ZERO, |past| past.previous),
            remaining: kept
                .deadline(self.deadline)
                .map(|deadline| deadline.remaining(now)),
        };
        let decision = self.policy.terms.decide(&facts, self.policy.random(), || {
            self.policy.budget.withdraw(now)
        });
        match decision {
            Decision::Retry(_) if !kept.seize() => Decision::Stop(Reason::NotReplayable),
            decision => decision,
        }
    }

    /// The operation's result, with its story where there is one to tell.
    fn tell<RB>(
        &self,
        mut result: Result<Response<RB>, BoxError>,
        verdict: &Verdict,
        keyed: bool,
        stopped: Reason,
    ) -> Result<Response<RB>, BoxError> {
        let (single, before) = (self.past.is_none(), self.sent_before());
        if single && matches!(stopped, Reason::Success | Reason::Permanent) {
            return result;
        }
        let attempts = Attempts {
            count: self.attempt(),
            waited: self.waited(),
            sent: before.max(verdict.sent),
            outcome: self.policy.outcome(keyed, before, verdict, borrow(&result)),
            stopped,
        };
        match &mut result {
            Ok(response) => {
                response.extensions_mut().insert(attempts);
                result
            }
            Err(_) if single => result,
            Err(_) => result.map_err(|last| Exhausted::new(attempts, last).into()),
        }
    }
}

impl<B> Clone for Kept<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Kept<'_, B> {}

impl<B> Kept<'_, B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    fn is_replayable(self) -> bool {
        self.head.is_some() && self.body.is_none_or(|body| body.try_clone().is_ok())
    }

    /// Takes the body's source away from the attempt that ended, whose connection may still be
    /// reading it: else it could read past the cap while the backoff runs.
    fn seize(self) -> bool {
        if let Some(Ok(mut newest)) = self.body.map(ReplayBody::try_clone) {
            let mut cx = Context::from_waker(Waker::noop());
            let frame: Poll<_> = Pin::new(&mut newest).poll_frame(&mut cx);
            drop(frame);
        }
        self.is_replayable()
    }

    /// The earlier of the request's own deadline and the layer's.
    fn deadline(self, own: Option<Deadline>) -> Option<Deadline> {
        let given = self.head.and_then(|head| Deadline::of(&head.extensions));
        given.into_iter().chain(own).min()
    }
}

fn borrow<T>(result: &Result<T, BoxError>) -> Result<&T, &DynError> {
    result.as_ref().map_err(|error| &**error)
}
