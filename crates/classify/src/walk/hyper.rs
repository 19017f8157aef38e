use hyper::Error;

use super::{Cause, io};
use crate::{Health, Verdict, find};

/// The request's own body failed, or the request was another fault of its sender.
pub(super) fn users(cause: &Cause) -> Option<Verdict> {
    cause
        .downcast_ref::<Error>()?
        .is_user()
        .then_some(Verdict::permanent("user").with_health(Health::Neutral))
}

/// What hyper itself says; an error of its transport or of HTTP/2 is left to the rules for those.
pub(super) fn judge(error: &Cause) -> Option<Verdict> {
    let error = find::<Error>(error)?;
    Some(if error.is_canceled() && !is_of_an_upgrade(error) {
        // hyper cancels what it still holds: a request of which it wrote even one byte fails with
        // the connection's own error instead.
        Verdict::transient("canceled").unsent()
    } else if error.is_timeout() {
        Verdict::transient("timeout")
    } else if error.is_incomplete_message() || error.is_shutdown() {
        Verdict::transient("reset")
    } else if error.is_closed() {
        Verdict::transient("closed")
    } else if error.is_parse() {
        Verdict::permanent("parse")
    } else {
        return None;
    })
}

/// The io error under a connection that stood.
pub(super) fn connection_lost(error: &Cause) -> Option<Verdict> {
    find::<Error>(error)?;
    io::lost(error)
}

/// Whether a response's body failed; hyper has no method that says so.
pub(super) fn answered(error: &Cause) -> bool {
    find::<Error>(error).is_some_and(|error| error.to_string().starts_with("error reading a body"))
}

/// A refused upgrade is a canceled wait for bytes after the response: the request was answered.
fn is_of_an_upgrade(error: &Error) -> bool {
    use std::error::Error as _;

    error
        .source()
        .is_some_and(|cause| cause.to_string().starts_with("upgrade expected"))
}
