use std::error::Error as _;

use hyper_util::client::legacy::Error;

use super::Cause;
use crate::{Verdict, find};

/// How the connectors of hyper-util and hyper-rustls complain of a URL; their types are private.
const BAD_URL: [&str; 3] = ["invalid URL", "missing scheme", "unsupported scheme"];

/// The request cannot be sent by this client at all: no authority, a scheme, method or version
/// that the client does not speak.
pub(super) fn unusable(error: &Cause) -> Option<Verdict> {
    let error = find::<Error>(error)?;
    let is_unusable = match error.source() {
        // Every error but those of unusable requests has a cause.
        None => true,
        Some(cause) if error.is_connect() => {
            let text = cause.to_string();
            BAD_URL.iter().any(|complaint| text.starts_with(complaint))
        }
        Some(_) => false,
    };
    is_unusable.then_some(Verdict::refused("request"))
}

/// The client notes the connection in every error from the moment it hands the request over.
pub(super) fn unconnected(error: &Cause) -> bool {
    find::<Error>(error).is_some_and(|error| error.connect_info().is_none())
}
