use std::error::Error;
use std::io;

/// Chains longer than this are cut: nobody wraps so deep, and a chain could be a circle.
const DEPTH: usize = 32;

/// The error and its causes, outermost first.
///
/// An [`io::Error`] that wraps another error does not show it as its source; this walk steps into
/// it all the same ([`io::Error::get_ref`]), for TLS and HTTP/2 errors hide there.
pub fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error)).take(DEPTH)
}

/// The outermost `T` in the chain of `error`, at any depth.
#[must_use]
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref::<T>())
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}
