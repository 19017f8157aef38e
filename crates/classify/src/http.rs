use http::{HeaderMap, Response, StatusCode};

use crate::{Classify, DynError, Verdict};

/// What a classifier of HTTP attempts sees: no body, so no body type has to be named.
#[derive(Clone, Copy, Debug)]
pub enum HttpOutcome<'a> {
    /// The response's status and headers.
    Head(StatusCode, &'a HeaderMap),
    /// What went wrong before there was a response.
    Error(&'a DynError),
}

/// A classifier of HTTP responses made from a closure over [`HttpOutcome`]; see [`http()`].
#[derive(Clone, Copy, Debug)]
pub struct Http<F>(F);

/// A classifier of HTTP responses, whatever their body, from a closure.
pub const fn http<F>(classify: F) -> Http<F>
where
    F: Fn(HttpOutcome<'_>) -> Option<Verdict>,
{
    Http(classify)
}

impl<F, B> Classify<Response<B>> for Http<F>
where
    F: Fn(HttpOutcome<'_>) -> Option<Verdict>,
{
    fn classify(&self, outcome: Result<&Response<B>, &DynError>) -> Option<Verdict> {
        self.0(match outcome {
            Ok(response) => HttpOutcome::Head(response.status(), response.headers()),
            Err(error) => HttpOutcome::Error(error),
        })
    }
}
