use http::StatusCode;

use crate::Verdict;

/// Whether nothing went wrong: a redirect is an answer too.
#[inline]
pub(crate) fn is_success(status: StatusCode) -> bool {
    matches!(status.as_u16(), 100..=399)
}

/// What a status says by itself, before any header is read.
///
/// A status that nobody registered means what its class means ([RFC 9110 §15]): an unknown 5xx is a
/// 500, and so is a number outside 100 to 599.
///
/// [RFC 9110 §15]: https://www.rfc-editor.org/rfc/rfc9110#section-15
pub(crate) fn judge(status: StatusCode) -> Verdict {
    match status.as_u16() {
        _ if is_success(status) => Verdict::success(),
        408 => Verdict::transient("408"),
        // The server answers for another authority, or will not act on replayable early data: two
        // statuses that promise, by their definition, that the request was not processed.
        421 => Verdict::transient("421").unsent(),
        425 => Verdict::transient("425").unsent(),
        429 => Verdict::throttled("429"),
        400..=499 => Verdict::rejected("4xx"),
        500 => Verdict::transient("500"),
        502 => Verdict::transient("502"),
        503 => Verdict::transient("503"),
        504 => Verdict::transient("504"),
        // Not implemented, version, negotiation, storage, loop, extension, network login: none of
        // them goes away by asking again.
        501 | 505..=508 | 510 | 511 => Verdict::rejected("5xx"),
        _ => Verdict::transient("5xx"),
    }
}
