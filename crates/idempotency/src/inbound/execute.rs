//! The task of one request: looks its key up, and executes it if nobody has.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use buttress_classify::BoxError;
use buttress_deadline::Deadline;
use buttress_store::{
    Begin, BeginRequest, Claim, StoreError, StoreErrorKind, StoredResponse, Token,
};
use http::{HeaderValue, Response};
use http_body::Body;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::beside::beside;
use super::job::{Job, Turn};
use super::outlet::Outlet;
use super::problems::Refused;
use super::settings::Settings;
use super::subject::Identity;
use super::work::Work;
use super::{Execution, Recorded, replay, settle};
use crate::telemetry::{self, Outcome};

/// The pause before a begin of which nobody knows whether it was heard is repeated.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) async fn run<RB, E>(job: Box<Job<RB, E>>, reply: oneshot::Sender<Turn<RB, E>>)
where
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
    E: Send + 'static,
{
    let settings = Arc::clone(&job.settings);
    let record = job.identity.record;
    let mut asked = Instant::now();
    let begun = match Token::random() {
        Ok(token) => begin(&settings, &job.identity, token, &mut asked)
            .await
            .map_err(|error| (error, Some(token))),
        Err(error) => Err((error, None)),
    };
    let key = job.identity.key.as_ref();
    let turn = match begun {
        Ok(Begin::Acquired(claim)) => return start(job, claim, asked, reply).await,
        Ok(Begin::InProgress { retry_after }) => Turn::InFlight(job, retry_after),
        Ok(Begin::OutcomeUnknown) => Turn::Unknown(job),
        Ok(Begin::Mismatch) => {
            telemetry::inbound(Outcome::Mismatch, key);
            Turn::done(settings.refuse(Refused::Mismatch))
        }
        Ok(Begin::Completed { response, .. }) => replayed(&job, &response),
        Err((error, token)) => {
            telemetry::store_failed("begin", &error);
            if let Some(token) = token
                && settings.terms.fail_open
                && !settle::is_final(&error)
            {
                return unprotected(job, Claim::new(record, token, 1), reply).await;
            }
            telemetry::inbound(Outcome::Unavailable, key);
            let _ = reply.send(Turn::done(settings.refuse(Refused::Unavailable)));
            if let Some(token) = token.filter(|_| error.kind() == StoreErrorKind::Indeterminate) {
                // It may have been claimed, and nobody executes it: others need not wait a lease.
                let execution = Execution::new(Claim::new(record, token, 1), None);
                let _ = timeout(settings.terms.lease, settle::release(&settings, &execution)).await;
            }
            return;
        }
    };
    let _ = reply.send(turn);
}

/// Begins, and repeats with the same token what may not have been heard, within the store's limit.
/// `asked` is when the one that was answered was asked: no lease ends sooner after that.
async fn begin(
    settings: &Settings,
    identity: &Identity,
    token: Token,
    asked: &mut Instant,
) -> Result<Begin, StoreError> {
    let Settings {
        store,
        orphan,
        terms,
        ..
    } = settings;
    let request = BeginRequest {
        key: identity.record,
        fingerprint: identity.fingerprint,
        token,
        lease: terms.lease,
        retention: terms.retention,
        orphan: *orphan,
    };
    let mut unheard = StoreError::new(StoreErrorKind::Indeterminate, "waiting for a begin");
    let attempts = async {
        loop {
            *asked = Instant::now();
            match store.begin(request).await {
                Err(error) if error.kind() == StoreErrorKind::Indeterminate => unheard = error,
                begun => return begun,
            }
            sleep(PAUSE).await;
        }
    };
    match timeout(terms.store_timeout, attempts).await {
        Ok(begun) => begun,
        Err(_) => Err(unheard),
    }
}

fn replayed<RB, E>(job: &Job<RB, E>, stored: &StoredResponse) -> Turn<RB, E> {
    let settings = &job.settings;
    let key = job.identity.key.as_ref();
    let response = if settings.is_for_events() {
        Ok(replay::duplicate(job.identity.success))
    } else {
        replay::from_stored(stored, &settings.terms.problems)
    };
    Turn::done(match response {
        Ok(response) => {
            telemetry::inbound(Outcome::Replayed, key);
            response
        }
        Err(error) => {
            telemetry::store_failed("replay", &error);
            telemetry::inbound(Outcome::Unavailable, key);
            settings.refuse(Refused::Unavailable)
        }
    })
}

/// Executes without a claim, because the store is down and the user prefers that.
async fn unprotected<RB, E>(
    job: Box<Job<RB, E>>,
    unclaimed: Claim,
    reply: oneshot::Sender<Turn<RB, E>>,
) where
    RB: Body + Send + 'static,
    E: Send + 'static,
{
    let settings = &job.settings;
    let key = job.identity.key.as_ref();
    let Some(_running) = settings.executions.enter(job.identity.share) else {
        let _ = reply.send(too_many(&job));
        return;
    };
    telemetry::inbound(Outcome::Unprotected, key);
    let limit = settings.terms.max_hold;
    let settings = Arc::clone(settings);
    let execution = Execution::new(unclaimed, job.identity.key.clone());
    let turn = match timeout(limit, call(*job, execution)).await {
        Err(_) => Turn::done(settings.refuse(Refused::CutShort)),
        Ok(Err(error)) => Turn::Done(Err(error)),
        Ok(Ok(response)) => {
            let mut response = response.map(Recorded::inner);
            replay::unmark(&mut response);
            let unprotected = HeaderValue::from_static("unprotected");
            let _ = response
                .headers_mut()
                .try_insert(&replay::STATUS, unprotected);
            Turn::done(response)
        }
    };
    let _ = reply.send(turn);
}

fn too_many<RB, E>(job: &Job<RB, E>) -> Turn<RB, E> {
    telemetry::inbound(Outcome::TooMany, job.identity.key.as_ref());
    Turn::done(job.settings.refuse(Refused::TooMany))
}

/// Calls the handler. The client's own deadline does not bind it: its work must be finished.
async fn call<RB, E>(job: Job<RB, E>, execution: Execution) -> Result<Response<RB>, E> {
    let mut head = job.head;
    let hold = Deadline::after(Instant::now(), job.settings.terms.max_hold);
    head.extensions.insert(hold);
    head.extensions.insert(execution);
    (job.handler)(head, job.body).await
}

/// Executes under a claim that was `asked` for then, unless too many do already.
async fn start<RB, E>(
    job: Box<Job<RB, E>>,
    claim: Claim,
    asked: Instant,
    reply: oneshot::Sender<Turn<RB, E>>,
) where
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
    E: Send + 'static,
{
    let settings = Arc::clone(&job.settings);
    let execution = Execution::new(claim, job.identity.key.clone());
    let mut work = Work::new(&settings, &execution, Outlet::new(reply));
    let lease_end = settle::after(asked, settings.terms.lease);
    if lease_end <= Instant::now() {
        // The store took so long to say so that the claim may be somebody else's by now.
        telemetry::inbound(Outcome::Unavailable, execution.key());
        let turn = Turn::done(settings.refuse(Refused::Unavailable));
        return work.free(|outlet| outlet.answer(turn)).await;
    }
    // Held until the answer is recorded.
    let Some(_running) = settings.executions.enter(job.identity.share) else {
        let turn = too_many(&job);
        return work.free(|outlet| outlet.answer(turn)).await;
    };
    telemetry::inbound(Outcome::Started, execution.key());
    let renewal = pin!(settle::renew(&settings, &execution, lease_end));
    // The claim is renewed until the answer is recorded, and no longer for one that is not kept.
    let done = beside(work.run(call(*job, execution.clone())), renewal).await;
    if let Some(unkept) = done {
        work.dismiss(unkept).await;
    }
}
