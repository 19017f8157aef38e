//! One execution: the handler, the whole of its answer, and the record of it.

use std::pin::pin;

use buttress_body::Answer;
use buttress_classify::BoxError;
use buttress_store::Settled;
use http::Response;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http_body::Body;
use tokio::time::timeout;

use super::job::Turn;
use super::outlet::Outlet;
use super::problems::Refused;
use super::settings::Settings;
use super::unwind::caught;
use super::{Execution, Recorded, replay, settle, tee};
use crate::telemetry::{self, Outcome};

/// An execution under way.
pub(crate) struct Work<'a, RB, E> {
    settings: &'a Settings,
    execution: &'a Execution,
    outlet: Outlet<RB, E>,
}

/// How the handler and its answer's body ended.
enum End<RB, E> {
    Read(Box<Parts>, Box<tee::Read>),
    Unkept(Unkept<RB, E>),
}

/// Gives an answer, once the claim is settled.
type Giving<RB, E> = Box<dyn FnOnce(&mut Outlet<RB, E>) + Send>;

/// What is answered and not kept.
pub(crate) enum Unkept<RB, E> {
    Broken(BoxError),
    Cut,
    Failed(E),
    Panicked,
    Response(Box<Response<RB>>),
}

impl<'a, RB, E> Work<'a, RB, E>
where
    RB: Body + Send + 'static,
    RB::Error: Into<BoxError>,
    E: Send + 'static,
{
    pub(crate) const fn new(
        settings: &'a Settings,
        execution: &'a Execution,
        outlet: Outlet<RB, E>,
    ) -> Self {
        Self {
            settings,
            execution,
            outlet,
        }
    }

    /// Executes and records; what is not to be kept is handed back.
    pub(crate) async fn run(
        &mut self,
        handling: impl Future<Output = Result<Response<RB>, E>>,
    ) -> Option<Unkept<RB, E>> {
        let hold = self.settings.terms.max_hold;
        // What a panic leaves behind is dropped, but for the outlet, which each step leaves whole.
        match timeout(hold, caught(self.read(handling))).await {
            Err(_) => Some(Unkept::Cut),
            Ok(None) => Some(Unkept::Panicked),
            Ok(Some(End::Unkept(unkept))) => Some(unkept),
            Ok(Some(End::Read(head, read))) => {
                self.record(&head, *read).await;
                None
            }
        }
    }

    /// Waits for the answer, and for all of its body unless it is not kept.
    async fn read(
        &mut self,
        handling: impl Future<Output = Result<Response<RB>, E>>,
    ) -> End<RB, E> {
        let mut response = match handling.await {
            Ok(response) => response,
            Err(error) => return End::Unkept(Unkept::Failed(error)),
        };
        replay::unmark(&mut response);
        if !self.settings.keeps(response.status()) {
            return End::Unkept(Unkept::Response(Box::new(response)));
        }
        let (head, body) = response.into_parts();
        let body = pin!(Answer::inner(body));
        let hint = body.size_hint();
        let length = content_length(&head).or(hint.exact());
        self.outlet.begin(head.clone(), hint);
        let cap = self.settings.terms.response_cap;
        match tee::read(body, length, cap, &mut self.outlet).await {
            Ok(read) => End::Read(Box::new(head), Box::new(read)),
            Err(error) => End::Unkept(Unkept::Broken(error)),
        }
    }

    /// Keeps the answer, and lets its end go out once it is kept, or after the limit for that.
    async fn record(&mut self, head: &Parts, read: tee::Read) {
        let tee::Read { body, last } = read;
        if self.execution.has_done_nothing() {
            return self.free(|outlet| outlet.finish(last)).await;
        }
        let stored = if self.settings.is_for_events() {
            replay::to_stored_event(head.status)
        } else {
            replay::to_stored(head, body.as_deref(), &self.settings.terms.excluded)
        };
        drop(body);
        let key = self.execution.key();
        let mut completion = pin!(settle::complete(self.settings, self.execution, &stored));
        let within = self.settings.terms.record_within;
        let late = match timeout(within, completion.as_mut()).await {
            Ok(Some(Settled::Applied | Settled::AlreadyApplied)) => {
                return self.outlet.finish(last);
            }
            Ok(Some(Settled::Lost)) => {
                // Somebody else executed it too, and that answer is the one that counts.
                telemetry::inbound(Outcome::Lost, key);
                let again = Refused::InFlight(self.settings.terms.retry_after);
                return self.outlet.answer(Turn::done(self.settings.refuse(again)));
            }
            Ok(None) => None,
            Err(_) => Some(completion),
        };
        telemetry::inbound(Outcome::Unrecorded, key);
        self.outlet.finish(last);
        if let Some(completion) = late {
            match completion.await {
                Some(Settled::Applied | Settled::AlreadyApplied) => telemetry::recorded_late(key),
                Some(Settled::Lost) => telemetry::inbound(Outcome::Lost, key),
                None => {}
            }
        }
    }

    /// Gives an answer that is not kept. The claim is left to the end of its lease, unless the
    /// handler said that it did nothing, or the settings free the key.
    pub(crate) async fn dismiss(&mut self, unkept: Unkept<RB, E>) {
        let key = self.execution.key();
        let mut free = self.execution.has_done_nothing();
        let settings = self.settings;
        let answer: Giving<RB, E> = match unkept {
            Unkept::Broken(error) => {
                telemetry::unkept(key, "body");
                Box::new(|outlet| outlet.fail(error))
            }
            Unkept::Cut => {
                telemetry::inbound(Outcome::Cut, key);
                let cut = Turn::done(settings.refuse(Refused::CutShort));
                Box::new(|outlet| outlet.answer(cut))
            }
            Unkept::Failed(error) => {
                telemetry::unkept(key, "error");
                Box::new(|outlet| outlet.answer(Turn::Done(Err(error))))
            }
            Unkept::Panicked => {
                telemetry::inbound(Outcome::Panicked, key);
                let panicked = Turn::done(settings.refuse(Refused::Panicked));
                Box::new(|outlet| outlet.answer(panicked))
            }
            Unkept::Response(response) => {
                telemetry::unkept(key, response.status().as_str());
                free |= settings.frees_unkept();
                let turn = Turn::done(response.map(Recorded::inner));
                Box::new(|outlet| outlet.answer(turn))
            }
        };
        if free {
            self.free(answer).await;
        } else {
            answer(&mut self.outlet);
        }
    }

    /// Frees the key, then answers; after the limit for a record, the other way round.
    pub(crate) async fn free(&mut self, answer: impl FnOnce(&mut Outlet<RB, E>)) {
        let mut release = pin!(settle::release(self.settings, self.execution));
        let within = self.settings.terms.record_within;
        let freed = timeout(within, release.as_mut()).await;
        answer(&mut self.outlet);
        if freed.is_err() {
            release.await;
        }
    }
}

/// What the handler says of its answer's length, and its client believes.
fn content_length(head: &Parts) -> Option<u64> {
    let value = head.headers.get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}
