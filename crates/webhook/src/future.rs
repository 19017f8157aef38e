use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use buttress_body::{Answer, Collected};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::intake::{Intake, hand_on};
use crate::layer::Clock;
use crate::resolve::Owner;
use crate::{BoxError, Delivery, Found, Refused, Reply, Resolve, Scheme, Verdict, telemetry};

pin_project! {
    /// The future of a call through [`WebhookVerify`](crate::WebhookVerify).
    ///
    /// Dropping it before the inner service is called drops the delivery, body and all: the sender
    /// sees a broken connection, and tries again if it does that.
    pub struct ResponseFuture<S, R, B, A>
    where
        S: Service<Request<Collected>, Response = Response<A>>,
        R: Resolve,
    {
        #[pin]
        state: State<S::Future, R::Future, R::Scheme, <R::Scheme as Scheme>::Finish, B, A>,
        call: Option<(S, Clock)>,
        cap: usize,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, Find, Sc, Fin, B, A>
    where
        Sc: Scheme,
    {
        /// Answered without the inner service.
        Answered { response: Option<Response<Answer<A>>> },
        /// Waiting for the scheme.
        Resolving { #[pin] find: Find, request: Option<(Parts, B)> },
        /// Waiting for the body.
        Reading { #[pin] body: B, reading: Option<Reading<Sc>> },
        /// Waiting for the verdict.
        Judging { #[pin] finish: Fin, judging: Option<Judging<Sc>> },
        /// Waiting for the inner service.
        Calling { #[pin] future: F },
    }
}

struct Reading<Sc: Scheme> {
    case: Case<Sc>,
    progress: Sc::Progress,
    intake: Intake,
}

struct Judging<Sc> {
    case: Case<Sc>,
    bytes: Bytes,
    trailers: Option<HeaderMap>,
}

/// What is known of a delivery all along.
struct Case<Sc> {
    scheme: Arc<Sc>,
    owner: Owner,
    head: Parts,
}

impl<S, R, B, A> ResponseFuture<S, R, B, A>
where
    S: Service<Request<Collected>, Response = Response<A>>,
    R: Resolve,
{
    /// `cap` is the same for every tenant, and for none: a body's size tells nobody who is known.
    pub(crate) fn new(call: (S, Clock), find: R::Future, request: (Parts, B), cap: usize) -> Self {
        Self {
            state: State::Resolving {
                find,
                request: Some(request),
            },
            call: Some(call),
            cap,
        }
    }

    pub(crate) fn refused(refused: Refused) -> Self {
        Self {
            state: State::Answered {
                response: Some(refused.into_response()),
            },
            call: None,
            cap: 0,
        }
    }
}

/// How a step ends that does not go on to the next.
enum End {
    Refused(Refused),
    Reply(Reply),
}

impl From<Refused> for End {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<S, R, B, A> Future for ResponseFuture<S, R, B, A>
where
    S: Service<Request<Collected>, Response = Response<A>>,
    R: Resolve,
    B: Body,
{
    type Output = Result<Response<Answer<A>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Answered { response } => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
                StateProj::Resolving { find, request } => {
                    let found = ready!(find.poll(cx));
                    let Some((head, body)) = request.take() else {
                        return Poll::Pending;
                    };
                    begin(found, head).map_or_else(answered, |reading| State::Reading {
                        body,
                        reading: Some(reading),
                    })
                }
                StateProj::Reading { body, reading } => {
                    let Some(taking) = reading else {
                        return Poll::Pending;
                    };
                    let scheme = &taking.case.scheme;
                    let progress = &mut taking.progress;
                    let see = |piece: &[u8]| scheme.update(progress, piece);
                    let read = ready!(taking.intake.poll(body, *this.cap, cx, see));
                    match (read, reading.take(), &this.call) {
                        (Ok(()), Some(reading), Some((_, clock))) => {
                            let (finish, judging) = reading.finish(clock);
                            State::Judging {
                                finish,
                                judging: Some(judging),
                            }
                        }
                        (Err(refused), Some(reading), _) => {
                            telemetry::refused(&reading.case.scheme.facts().source, refused);
                            answered(End::Refused(refused))
                        }
                        _ => return Poll::Pending,
                    }
                }
                StateProj::Judging { finish, judging } => {
                    let verdict = ready!(finish.poll(cx));
                    let (Some(judging), Some((mut inner, _))) = (judging.take(), this.call.take())
                    else {
                        return Poll::Pending;
                    };
                    judging
                        .conclude(verdict)
                        .map_or_else(answered, |request| State::Calling {
                            future: inner.call(request),
                        })
                }
                StateProj::Calling { future } => {
                    return future
                        .poll(cx)
                        .map_ok(|response| response.map(Answer::inner));
                }
            };
            this.state.set(next);
        }
    }
}

fn answered<F, Find, Sc: Scheme, Fin, B, A>(end: End) -> State<F, Find, Sc, Fin, B, A> {
    State::Answered {
        response: Some(match end {
            End::Refused(refused) => refused.into_response(),
            End::Reply(reply) => reply.into_response(),
        }),
    }
}

/// Begins a verification, unless the head settles the matter.
fn begin<Sc: Scheme>(found: Result<Found<Sc>, BoxError>, head: Parts) -> Result<Reading<Sc>, End> {
    let found = found.map_err(|error| {
        telemetry::unresolved(&*error);
        Refused::Unavailable
    })?;
    let (scheme, owner) = found.into_parts();
    let source = &scheme.facts().source;
    let known = !matches!(owner, Owner::Nobody);
    let refuse = |refused| {
        telemetry::refused(source, refused);
        End::Refused(refused)
    };
    if let Some(reply) = scheme.greet(&head).map_err(refuse)? {
        if !known {
            return Err(refuse(Refused::UnknownTenant));
        }
        telemetry::handshake(source);
        return Err(End::Reply(reply));
    }
    let progress = scheme.begin(&head).map_err(refuse)?;
    Ok(Reading {
        case: Case {
            scheme,
            owner,
            head,
        },
        progress,
        intake: Intake::default(),
    })
}

impl<Sc: Scheme> Reading<Sc> {
    fn finish(self, clock: &Clock) -> (Sc::Finish, Judging<Sc>) {
        let (bytes, trailers) = self.intake.into_whole();
        let delivery = Delivery {
            head: &self.case.head,
            body: &bytes,
            now: clock(),
        };
        let finish = self.case.scheme.finish(self.progress, &delivery);
        let judging = Judging {
            case: self.case,
            bytes,
            trailers,
        };
        (finish, judging)
    }
}

impl<Sc: Scheme> Judging<Sc> {
    /// The request for the inner service, with its receipt.
    fn conclude(self, verdict: Result<Verdict, Refused>) -> Result<Request<Collected>, End> {
        let Case {
            scheme,
            owner,
            mut head,
        } = self.case;
        let source = &scheme.facts().source;
        let refuse = |refused| {
            telemetry::refused(source, refused);
            End::Refused(refused)
        };
        let verdict = verdict.map_err(refuse)?;
        let receipt = match (verdict, owner) {
            (_, Owner::Nobody) => return Err(refuse(Refused::UnknownTenant)),
            (Verdict::Handshake(reply), _) => {
                telemetry::handshake(source);
                return Err(End::Reply(reply));
            }
            (Verdict::Verified(receipt), Owner::All) => receipt,
            (Verdict::Verified(receipt), Owner::Tenant(tenant)) => receipt.with_tenant(tenant),
        };
        telemetry::verified(&receipt);
        head.extensions.insert(receipt);
        Ok(Request::from_parts(
            head,
            hand_on(self.bytes, self.trailers),
        ))
    }
}

impl<S, R, B, A> fmt::Debug for ResponseFuture<S, R, B, A>
where
    S: Service<Request<Collected>, Response = Response<A>>,
    R: Resolve,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
