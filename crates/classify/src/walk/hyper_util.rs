use std::error::Error as _;

use hyper_util::client::legacy::Error;

use super::Cause;
use crate::{Verdict, find};

/// The request cannot be sent by this client at all: no authority, a scheme, method or version
/// that the client does not speak.
pub(super) fn unusable(error: &Cause) -> Option<Verdict> {
    let error = find::<Error>(error)?;
    let is_unusable = match error.source() {
        // Every error but those of unusable requests has a cause.
        None => true,
        // The connector's own type is private; only its text tells a bad URL from a bad network.
        Some(cause) => error.is_connect() && cause.to_string().starts_with("invalid URL"),
    };
    is_unusable.then_some(Verdict::refused("request"))
}

/// The client notes the connection in every error from the moment it hands the request over.
pub(super) fn unconnected(error: &Cause) -> bool {
    find::<Error>(error).is_some_and(|error| error.connect_info().is_none())
}
