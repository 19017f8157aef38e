use http::{HeaderMap, Response, StatusCode};

use crate::{Classify, DynError, Verdict, hints, status, walk};

/// What outcomes mean over HTTP: the default of retry and breaker alike.
///
/// A response is judged by its status, then by what its headers say about another attempt; an
/// error by its chain of causes. The tables stand in the [crate's documentation](crate). An error
/// in whose chain nothing is known gets no opinion.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HttpClassifier;

impl<B> Classify<Response<B>> for HttpClassifier {
    #[inline]
    fn classify(&self, outcome: Result<&Response<B>, &DynError>) -> Option<Verdict> {
        match outcome {
            Ok(response) => Some(judge(response.status(), response.headers())),
            Err(error) => walk::judge(error),
        }
    }

    #[inline]
    fn is_success(&self, response: &Response<B>) -> bool {
        status::is_success(response.status())
    }
}

/// A success is seen at a glance, and the rest out of line: nearly all responses are successes.
#[inline]
fn judge(status: StatusCode, headers: &HeaderMap) -> Verdict {
    if status::is_success(status) {
        Verdict::success()
    } else {
        failure(status, headers)
    }
}

#[cold]
fn failure(status: StatusCode, headers: &HeaderMap) -> Verdict {
    hints::heed(status::judge(status), headers)
}
