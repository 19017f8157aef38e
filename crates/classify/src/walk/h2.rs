use h2::{Error, Reason};

use super::{Cause, io};
use crate::{Health, Verdict, find};

/// What an HTTP/2 stream or connection was ended for.
pub(super) fn judge(error: &Cause) -> Option<Verdict> {
    let error = find::<Error>(error)?;
    if let Some(cause) = error.get_io() {
        return io::lost(cause);
    }
    let Some(reason) = error.reason() else {
        return Some(misused());
    };

    let unprocessed = error.is_remote()
        && (error.is_go_away() || error.is_reset() && reason == Reason::REFUSED_STREAM);
    Some(if unprocessed {
        // RFC 9113 §8.7: a refused stream, and one above the last that GOAWAY names, were not
        // processed. h2 gives a remote GOAWAY to no other stream.
        unprocessed_for(reason).unsent()
    } else if (error.is_reset() || error.is_go_away()) && !error.is_remote() && !error.is_library()
    {
        // Reset from this side: the request's body failed.
        misused()
    } else {
        ended_for(reason, error.is_remote())
    })
}

fn misused() -> Verdict {
    Verdict::permanent("user").with_health(Health::Neutral)
}

fn unprocessed_for(reason: Reason) -> Verdict {
    match reason {
        Reason::ENHANCE_YOUR_CALM => Verdict::throttled("enhance_your_calm"),
        Reason::HTTP_1_1_REQUIRED | Reason::INADEQUATE_SECURITY => Verdict::permanent("http2"),
        Reason::REFUSED_STREAM => Verdict::transient("refused_stream"),
        _ => Verdict::transient("goaway"),
    }
}

fn ended_for(reason: Reason, by_the_peer: bool) -> Verdict {
    match reason {
        Reason::ENHANCE_YOUR_CALM if by_the_peer => Verdict::throttled("enhance_your_calm"),
        // Whoever does not speak HTTP/2 breaks the size of its very first frame.
        Reason::COMPRESSION_ERROR
        | Reason::FRAME_SIZE_ERROR
        | Reason::HTTP_1_1_REQUIRED
        | Reason::INADEQUATE_SECURITY
        | Reason::PROTOCOL_ERROR => Verdict::permanent("http2"),
        _ => Verdict::transient("reset"),
    }
}
