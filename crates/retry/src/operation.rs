use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use buttress_body::{NotReplayable, ReplayBody};
use buttress_classify::{BoxError, Class, Classify, DynError, Sent, Verdict};
use buttress_deadline::Deadline;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use crate::decision::{Decision, Facts};
use crate::drain::Wait;
use crate::policy::{Policy, Safety, sent_further_in};
use crate::{Attempt, Attempts, Exhausted, Reason, telemetry};

/// What an operation remembers from one attempt to the next.
pub(crate) struct Operation<S, C, B> {
    policy: Arc<Policy<C>>,
    safety: Safety,
    deadline: Option<Deadline>,
    /// What a further attempt needs; `None` if there can be none.
    spare: Option<Spare<S, B>>,
    attempt: NonZeroU32,
    sent: Sent,
    waited: Duration,
    previous: Duration,
}

/// The means of a further attempt.
pub(crate) struct Spare<S, B> {
    inner: S,
    head: Parts,
    body: ReplayBody<B>,
}

/// What follows an attempt.
pub(crate) enum Next<RB> {
    /// This is the operation's own result.
    Done(Result<Response<RB>, BoxError>),
    /// Another attempt, after the wait.
    Wait(Wait<RB>),
}

impl<S, B> Spare<S, B> {
    pub(crate) const fn new(inner: S, head: Parts, body: ReplayBody<B>) -> Self {
        Self { inner, head, body }
    }
}

impl<S, C, B> Operation<S, C, B> {
    pub(crate) const fn new(
        policy: Arc<Policy<C>>,
        safety: Safety,
        deadline: Option<Deadline>,
        spare: Option<Spare<S, B>>,
    ) -> Self {
        Self {
            policy,
            safety,
            deadline,
            spare,
            attempt: NonZeroU32::MIN,
            sent: Sent::No,
            waited: Duration::ZERO,
            previous: Duration::ZERO,
        }
    }
}

impl<S, C, B> Operation<S, C, B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// Weighs an attempt that was sent.
    #[inline]
    pub(crate) fn after_call<RB>(&mut self, result: Result<Response<RB>, BoxError>) -> Next<RB>
    where
        C: Classify<Response<RB>>,
        RB: Body,
    {
        let verdict = self.policy.judge(self.safety, borrow(&result));
        if verdict.class == Class::Success {
            self.policy.deposit();
            if self.attempt == NonZeroU32::MIN {
                return Next::Done(result);
            }
        }
        self.weigh(result, verdict)
    }

    /// Weighs an attempt that could not be made: nothing was sent.
    #[cold]
    pub(crate) fn unsent<RB>(&mut self, error: BoxError) -> Next<RB>
    where
        C: Classify<Response<RB>>,
        RB: Body,
    {
        let verdict = self.policy.judge::<RB>(self.safety, Err(&*error)).unsent();
        self.weigh(Err(error), verdict)
    }

    fn weigh<RB>(
        &mut self,
        result: Result<Response<RB>, BoxError>,
        mut verdict: Verdict,
    ) -> Next<RB>
    where
        RB: Body,
    {
        verdict.sent = verdict.sent.max(sent_further_in(borrow(&result)));
        let before = self.sent;
        self.sent = before.max(verdict.sent);

        let now = Instant::now();
        match self.decide(borrow(&result), verdict, now) {
            Decision::Retry(delay) => {
                telemetry::resend(self.attempt.get(), delay, verdict.reason);
                self.attempt = self.attempt.saturating_add(1);
                self.waited = self.waited.saturating_add(delay);
                self.previous = delay;
                Next::Wait(Wait::new(now, delay, result.ok().map(Response::into_body)))
            }
            Decision::Stop(reason) => {
                if !matches!(reason, Reason::Success | Reason::Permanent) {
                    telemetry::refused(self.attempt.get(), verdict.reason, reason);
                }
                Next::Done(self.tell(result, before, &verdict, reason))
            }
        }
    }

    fn decide<RB>(
        &self,
        outcome: Result<&Response<RB>, &DynError>,
        verdict: Verdict,
        now: Instant,
    ) -> Decision {
        let facts = Facts {
            verdict,
            attempt: self.attempt,
            sent: self.sent,
            safe: self.policy.is_safe(self.safety, outcome),
            replayable: self.spare.as_ref().is_some_and(Spare::is_replayable),
            previous: self.previous,
            remaining: self.deadline.map(|deadline| deadline.remaining(now)),
        };
        let decision = self.policy.terms.decide(&facts, self.policy.random(), || {
            self.policy.budget.withdraw(now)
        });
        match decision {
            Decision::Retry(_) if !self.spare.as_ref().is_some_and(Spare::seize) => {
                Decision::Stop(Reason::NotReplayable)
            }
            decision => decision,
        }
    }

    /// The operation's result, with its story where there is one to tell.
    fn tell<RB>(
        &self,
        mut result: Result<Response<RB>, BoxError>,
        before: Sent,
        verdict: &Verdict,
        stopped: Reason,
    ) -> Result<Response<RB>, BoxError> {
        let single = self.attempt == NonZeroU32::MIN;
        if single && matches!(stopped, Reason::Success | Reason::Permanent) {
            return result;
        }
        let attempts = Attempts {
            count: self.attempt,
            waited: self.waited,
            sent: self.sent,
            outcome: self
                .policy
                .outcome(self.safety, before, verdict, borrow(&result)),
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

    /// Sends the request once more as soon as the inner service is ready.
    pub(crate) fn poll_resend(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, BoxError>>
    where
        S: Service<Request<ReplayBody<B>>>,
        S::Error: Into<BoxError>,
    {
        if let Some(spare) = &mut self.spare {
            ready!(spare.inner.poll_ready(cx)).map_err(Into::into)?;
        }
        Poll::Ready(self.resend().map_err(Into::into))
    }

    fn resend(&mut self) -> Result<S::Future, NotReplayable>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        let number = Attempt(self.attempt);
        let send = |inner: &mut S, mut head: Parts, body| {
            head.extensions.insert(number);
            inner.call(Request::from_parts(head, body))
        };
        let spare = self.spare.as_mut().ok_or(NotReplayable::Once)?;
        let body = spare.body.try_clone()?;
        if self.attempt < self.policy.terms.attempts {
            return Ok(send(&mut spare.inner, spare.head.clone(), body));
        }
        // The last attempt takes what the others had to copy.
        match self.spare.take() {
            Some(mut last) => Ok(send(&mut last.inner, last.head, body)),
            None => Err(NotReplayable::Once),
        }
    }
}

impl<S, B> Spare<S, B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    fn is_replayable(&self) -> bool {
        self.body.try_clone().is_ok()
    }

    /// Takes the body's source away from the attempt that ended, whose connection may still be
    /// reading it: else it could read past the cap while the backoff runs.
    fn seize(&self) -> bool {
        let Ok(mut newest) = self.body.try_clone() else {
            return false;
        };
        let mut cx = Context::from_waker(Waker::noop());
        let frame: Poll<_> = Pin::new(&mut newest).poll_frame(&mut cx);
        drop(frame);
        self.is_replayable()
    }
}

fn borrow<T>(result: &Result<T, BoxError>) -> Result<&T, &DynError> {
    result.as_ref().map_err(|error| &**error)
}
