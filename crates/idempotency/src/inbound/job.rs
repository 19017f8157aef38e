//! What passes between the client's side and the task that executes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use buttress_body::Whole;
use http::Response;
use http::request::Parts;

use super::Recorded;
use super::settings::Settings;
use super::subject::Identity;

/// Calls the inner service, once.
pub(crate) type Handler<RB, E> = Box<dyn FnOnce(Parts, Whole) -> Handling<RB, E> + Send>;
pub(crate) type Handling<RB, E> = Pin<Box<dyn Future<Output = Result<Response<RB>, E>> + Send>>;

/// A request that may be executed.
pub(crate) struct Job<RB, E> {
    pub(crate) settings: Arc<Settings>,
    pub(crate) identity: Identity,
    pub(crate) head: Parts,
    pub(crate) body: Whole,
    pub(crate) handler: Handler<RB, E>,
}

/// What became of one look at the store.
pub(crate) enum Turn<RB, E> {
    Done(Result<Box<Response<Recorded<RB>>>, E>),
    /// Somebody else executes it; here is the job back.
    InFlight(Box<Job<RB, E>>, Duration),
    /// The outcome of an earlier execution is unknown; here is the job back.
    Unknown(Box<Job<RB, E>>),
}

impl<RB, E> Turn<RB, E> {
    pub(crate) fn done(response: Response<Recorded<RB>>) -> Self {
        Self::Done(Ok(Box::new(response)))
    }
}
