//! What a case is, and what ours and the rivals' have in common.

use std::future::{Ready, ready};
use std::time::Duration;

use crate::driver::{Req, Res};

/// A name and what it runs, so many times.
pub(crate) type Case = (&'static str, fn(usize));

/// The limit of every timeout here: never reached.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A policy of `tower::retry` that keeps a request to send again, and never has to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Never;

impl<E> tower::retry::Policy<Req, Res, E> for Never {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Req, outcome: &mut Result<Res, E>) -> Option<Ready<()>> {
        match outcome {
            Ok(response) if response.status().is_server_error() => Some(ready(())),
            _ => None,
        }
    }

    fn clone_request(&mut self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}
