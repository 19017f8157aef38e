use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use buttress_body::ReplayBody;
use buttress_classify::{BoxError, Class, Classify, DynError, Sent, Verdict};
use buttress_deadline::Deadline;
use http::Response;
use http_body::Body;
use tokio::time::Instant;

use crate::decision::{Decision, Facts};
use crate::drain::Wait;
use crate::policy::{Policy, Safety, sent_further_in};
use crate::{Attempt, Attempts, Exhausted, Reason, telemetry};

/// What an operation remembers from one attempt to the next.
pub(crate) struct Operation<C> {
    policy: Arc<Policy<C>>,
    safety: Safety,
    deadline: Option<Deadline>,
    /// The ordinal of the attempt under way.
    attempt: NonZeroU32,
    sent: Sent,
    waited: Duration,
    previous: Duration,
    /// An attempt had to wait for its outcome.
    pended: bool,
}

/// What follows an attempt.
pub(crate) enum Next<RB> {
    /// This is the operation's own result.
    Done(Result<Response<RB>, BoxError>),
    /// Another attempt, after the wait.
    Wait(Wait<RB>),
}

impl<C> Operation<C> {
    pub(crate) const fn new(
        policy: Arc<Policy<C>>,
        safety: Safety,
        deadline: Option<Deadline>,
    ) -> Self {
        Self {
            policy,
            safety,
            deadline,
            attempt: NonZeroU32::MIN,
            sent: Sent::No,
            waited: Duration::ZERO,
            previous: Duration::ZERO,
            pended: false,
        }
    }

    /// The number that a resend carries.
    pub(crate) const fn number(&self) -> Attempt {
        Attempt(self.attempt)
    }

    /// No attempt follows the one under way, whatever its outcome.
    pub(crate) fn is_last(&self) -> bool {
        self.attempt >= self.policy.terms.attempts
    }

    /// Notes that an attempt has to wait for its outcome.
    pub(crate) const fn pended(&mut self) {
        self.pended = true;
    }

    /// Records a success. True if it is the whole story: no attempt came before.
    #[inline]
    pub(crate) fn is_plain_success<RB>(&self, response: &Response<RB>) -> bool
    where
        C: Classify<Response<RB>>,
    {
        if self.policy.judge(self.safety, response).class != Class::Success {
            return false;
        }
        self.policy.deposit(self.pended);
        self.attempt == NonZeroU32::MIN
    }

    /// Weighs an attempt that was sent and is more than a plain success.
    #[cold]
    pub(crate) fn after_call<RB, B>(
        &mut self,
        result: Result<Response<RB>, BoxError>,
        body: Option<&ReplayBody<B>>,
    ) -> Next<RB>
    where
        C: Classify<Response<RB>>,
        RB: Body,
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let verdict = match &result {
            Ok(response) => self.policy.judge(self.safety, response),
            Err(error) => self.policy.judge_error::<RB>(&**error),
        };
        self.weigh(result, verdict, body)
    }

    /// Weighs an attempt that could not be made: nothing was sent.
    #[cold]
    pub(crate) fn after_no_call<RB, B>(
        &mut self,
        error: BoxError,
        body: Option<&ReplayBody<B>>,
    ) -> Next<RB>
    where
        C: Classify<Response<RB>>,
        RB: Body,
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let verdict = self.policy.judge_error::<RB>(&*error).unsent();
        self.weigh(Err(error), verdict, body)
    }

    fn weigh<RB, B>(
        &mut self,
        result: Result<Response<RB>, BoxError>,
        mut verdict: Verdict,
        body: Option<&ReplayBody<B>>,
    ) -> Next<RB>
    where
        RB: Body,
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        verdict.sent = verdict.sent.max(sent_further_in(borrow(&result)));
        let before = self.sent;
        self.sent = before.max(verdict.sent);

        let now = Instant::now();
        match self.decide(borrow(&result), verdict, body, now) {
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

    fn decide<RB, B>(
        &self,
        outcome: Result<&Response<RB>, &DynError>,
        verdict: Verdict,
        body: Option<&ReplayBody<B>>,
        now: Instant,
    ) -> Decision
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let facts = Facts {
            verdict,
            attempt: self.attempt,
            sent: self.sent,
            safe: self.policy.is_safe(self.safety, outcome),
            replayable: body.is_some_and(is_replayable),
            previous: self.previous,
            remaining: self.deadline.map(|deadline| deadline.remaining(now)),
        };
        let decision = self.policy.terms.decide(&facts, self.policy.random(), || {
            self.policy.budget.withdraw(now)
        });
        match decision {
            Decision::Retry(_) if !body.is_some_and(seize) => Decision::Stop(Reason::NotReplayable),
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
}

fn is_replayable<B>(body: &ReplayBody<B>) -> bool
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    body.try_clone().is_ok()
}

/// Takes the body's source away from the attempt that ended, whose connection may still be reading
/// it: else it could read past the cap while the backoff runs.
fn seize<B>(body: &ReplayBody<B>) -> bool
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    let Ok(mut newest) = body.try_clone() else {
        return false;
    };
    let mut cx = Context::from_waker(Waker::noop());
    let frame: Poll<_> = Pin::new(&mut newest).poll_frame(&mut cx);
    drop(frame);
    is_replayable(body)
}

fn borrow<T>(result: &Result<T, BoxError>) -> Result<&T, &DynError> {
    result.as_ref().map_err(|error| &**error)
}
