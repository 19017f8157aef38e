use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::{Classify, DynError, Health, Verdict, hints, status, walk};

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// What outcomes mean over gRPC: a tonic channel, or any client of HTTP/2.
///
/// A call that fails at once is answered by a head that is all trailers, and its `grpc-status`
/// decides. A head without one is the beginning of an answer when its status is 200, whatever the
/// trailers may say later; any other status is judged as
/// [`HttpClassifier`](crate::HttpClassifier) judges it, and so is an error.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GrpcClassifier;

impl<B> Classify<Response<B>> for GrpcClassifier {
    #[inline]
    fn classify(&self, outcome: Result<&Response<B>, &DynError>) -> Option<Verdict> {
        match outcome {
            Ok(response) => Some(head(response.status(), response.headers())),
            Err(error) => walk::judge(error),
        }
    }
}

#[inline]
fn head(status: StatusCode, headers: &HeaderMap) -> Verdict {
    let code = headers.get(&GRPC_STATUS);
    if code.is_none() && status == StatusCode::OK {
        return Verdict::success();
    }
    ended(status, code, headers)
}

#[cold]
fn ended(status: StatusCode, code: Option<&HeaderValue>, headers: &HeaderMap) -> Verdict {
    let verdict = match code {
        Some(code) => judge(code.as_bytes()),
        // gRPC knows neither another success nor a redirect.
        None if status::is_success(status) => Verdict::permanent("unknown"),
        None => status::judge(status),
    };
    hints::heed(verdict, headers)
}

/// [The codes of gRPC](https://grpc.io/docs/guides/status-codes/); one that is none counts as 2.
fn judge(code: &[u8]) -> Verdict {
    match code {
        b"0" => Verdict::success(),
        b"1" => Verdict::rejected("cancelled").with_health(Health::Neutral),
        b"3" => Verdict::rejected("invalid_argument"),
        b"4" => Verdict::permanent("deadline_exceeded"),
        b"5" => Verdict::rejected("not_found"),
        b"6" => Verdict::rejected("already_exists"),
        b"7" => Verdict::rejected("permission_denied"),
        b"8" => Verdict::throttled("resource_exhausted"),
        b"9" => Verdict::rejected("failed_precondition"),
        b"10" => Verdict::rejected("aborted"),
        b"11" => Verdict::rejected("out_of_range"),
        b"12" => Verdict::rejected("unimplemented"),
        b"13" => Verdict::permanent("internal"),
        b"14" => Verdict::transient("unavailable"),
        b"15" => Verdict::permanent("data_loss"),
        b"16" => Verdict::rejected("unauthenticated"),
        _ => Verdict::permanent("unknown"),
    }
}
