//! The client's side of a request with a key: reads its body, has it looked up or executed in a
//! task of its own, and waits for the answer.

use std::sync::Arc;
use std::time::Duration;

use buttress_body::{TooLarge, collect};
use buttress_classify::{BoxError, chain};
use buttress_store::{Resolution, StoreError, StoreErrorKind};
use http::{Request, Response};
use http_body::Body;
use http_body_util::LengthLimitError;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;

use super::job::{Handler, Job, Turn};
use super::problems::Refused;
use super::replay;
use super::settings::Settings;
use super::subject::Subject;
use super::{Reconciled, Recorded, Unresolved, execute, settle};
use crate::telemetry::{self, Outcome};

/// The pause between two looks at a key of a store that cannot wait for it.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn answer<B, RB, E>(
    settings: Arc<Settings>,
    subject: Subject,
    request: Request<B>,
    handler: Handler<RB, E>,
) -> Result<Response<Recorded<RB>>, E>
where
    B: Body,
    B::Error: Into<BoxError>,
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
    E: Send + 'static,
{
    let (head, body) = request.into_parts();
    let body = match collect(body, settings.terms.request_cap).await {
        Ok(body) => body,
        Err(error) => {
            let refused = refusal_of(&error);
            telemetry::refused_inbound(refused);
            return Ok(settings.refuse(refused));
        }
    };
    let Some(identity) = subject.identify(&settings, &head, &body.bytes) else {
        return handler(head, body)
            .await
            .map(|response| response.map(Recorded::inner));
    };
    let mut job = Box::new(Job {
        settings: Arc::clone(&settings),
        identity,
        head,
        body,
        handler,
    });
    let wait = settings.terms.wait;
    let give_up = wait.map(|limit| settle::after(Instant::now(), limit));
    let mut place = None;
    let mut reconciled = false;
    loop {
        job = match look(job).await {
            Turn::Done(done) => return done.map(|response| *response),
            Turn::InFlight(job, retry_after) => {
                if place.is_none() {
                    place = give_up.and_then(|_| settings.waiters.join(job.identity.record));
                }
                let left = give_up.map(|end| end.saturating_duration_since(Instant::now()));
                match left {
                    Some(left) if place.is_some() && !left.is_zero() => {
                        let wait = settings.store.wait(&job.identity.record, left);
                        if let Ok(Err(error)) = timeout(left, wait).await {
                            // Whether the store is down the next look says; it must not come at once.
                            telemetry::store_failed("wait", &error);
                            sleep(left.min(PAUSE)).await;
                        }
                        job
                    }
                    _ => {
                        telemetry::inbound(Outcome::InFlight, job.identity.key.as_ref());
                        let wait = retry_after.min(settings.terms.retry_after);
                        return Ok(settings.refuse(Refused::InFlight(wait)));
                    }
                }
            }
            Turn::Unknown(job) if !reconciled => {
                reconciled = true;
                match reconcile(&settings, unresolved(&job)).await {
                    Ok(true) => job,
                    Ok(false) => return Ok(unknown(&job)),
                    Err(refused) => return Ok(settings.refuse(refused)),
                }
            }
            Turn::Unknown(job) => return Ok(unknown(&job)),
        };
    }
}

/// Looks the key up in a task of its own, which executes the request if nobody has.
///
/// From here on it does not matter whether the client stays.
async fn look<RB, E>(job: Box<Job<RB, E>>) -> Turn<RB, E>
where
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
    E: Send + 'static,
{
    let settings = Arc::clone(&job.settings);
    let tracked = settings.executions.track();
    let (reply, answer) = oneshot::channel();
    let task = async move {
        let _tracked = tracked;
        execute::run(job, reply).await;
    };
    tokio::spawn(task.in_current_span());
    answer.await.unwrap_or_else(|_| {
        // The handler panicked, or the runtime is ending: the claim ends with its lease.
        telemetry::inbound(Outcome::Panicked, None);
        Turn::done(settings.refuse(Refused::Panicked))
    })
}

fn unresolved<RB, E>(job: &Job<RB, E>) -> Unresolved {
    Unresolved {
        record: job.identity.record,
        key: job.identity.key.clone(),
        request: Request::from_parts(job.head.clone(), job.body.bytes.clone()),
    }
}

/// Asks the application what became of the lost execution. True: the store knows now.
async fn reconcile(settings: &Settings, unresolved: Unresolved) -> Result<bool, Refused> {
    let terms = &settings.terms;
    let Some(hook) = &terms.reconcile else {
        return Ok(false);
    };
    let record = unresolved.record;
    let resolution = match hook(unresolved).await {
        None => return Ok(false),
        Some(Reconciled::NotExecuted) => Resolution::NotExecuted,
        Some(Reconciled::Completed(response)) => {
            let (head, body) = response.into_parts();
            Resolution::Completed {
                response: if settings.is_for_events() {
                    replay::to_stored_event(head.status)
                } else {
                    let kept = (body.len() <= terms.response_cap).then_some(&*body);
                    replay::to_stored(&head, kept, &terms.excluded)
                },
                retention: terms.retention,
            }
        }
    };
    let adoption = settings.store.adopt(&record, &resolution);
    let error = match timeout(terms.store_timeout, adoption).await {
        // Lost: somebody else settled it. The next look tells.
        Ok(Ok(_)) => return Ok(true),
        Ok(Err(error)) => error,
        Err(_) => StoreError::new(StoreErrorKind::Indeterminate, "waiting for an adoption"),
    };
    telemetry::store_failed("adopt", &error);
    Err(Refused::Unavailable)
}

fn unknown<RB, E>(job: &Job<RB, E>) -> Response<Recorded<RB>> {
    telemetry::inbound(Outcome::Unknown, job.identity.key.as_ref());
    job.settings.refuse(Refused::Unknown)
}

/// Too large for this layer, or for a limit outside of it; else it broke off.
fn refusal_of(error: &BoxError) -> Refused {
    let too_large =
        chain(&**error).any(|error| error.is::<TooLarge>() || error.is::<LengthLimitError>());
    if too_large {
        Refused::TooLarge
    } else {
        Refused::BodyBroken
    }
}
