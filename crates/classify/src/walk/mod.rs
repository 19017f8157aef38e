//! The ordered walk over an error and its causes: one file for each library whose errors we know.

#[cfg(feature = "h2")]
mod h2;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "hyper-util")]
mod hyper_util;
mod io;
#[cfg(any(feature = "reqwest-0-12", feature = "reqwest-0-13"))]
mod reqwest;
#[cfg(feature = "rustls")]
mod rustls;
mod tokio;
#[cfg(feature = "tower")]
mod tower;

use std::error::Error;

use crate::{DynError, Opinion, Sent, Verdict, chain};

type Cause = dyn Error + 'static;
type Rule = fn(&Cause) -> Option<Verdict>;

/// Each rule looks through the whole chain before the next one is asked.
///
/// What a protocol says goes before the kind of an [`io::Error`](std::io::Error), which it often
/// wraps.
const RULES: &[Rule] = &[
    #[cfg(feature = "reqwest-0-12")]
    reqwest::v0_12::settled,
    #[cfg(feature = "reqwest-0-13")]
    reqwest::v0_13::settled,
    #[cfg(feature = "hyper-util")]
    hyper_util::unusable,
    #[cfg(feature = "hyper")]
    hyper::judge,
    #[cfg(feature = "h2")]
    h2::judge,
    #[cfg(feature = "rustls")]
    rustls::judge,
    #[cfg(feature = "reqwest-0-12")]
    reqwest::v0_12::timed_out,
    #[cfg(feature = "reqwest-0-13")]
    reqwest::v0_13::timed_out,
    #[cfg(feature = "tower")]
    tower::judge,
    tokio::judge,
    #[cfg(feature = "hyper")]
    hyper::connection_lost,
    io::judge,
];

/// An error of one of these is of a connection that was never handed the request.
const UNCONNECTED: &[fn(&Cause) -> bool] = &[
    #[cfg(feature = "hyper-util")]
    hyper_util::unconnected,
    #[cfg(feature = "reqwest-0-12")]
    reqwest::v0_12::unconnected,
    #[cfg(feature = "reqwest-0-13")]
    reqwest::v0_13::unconnected,
];

/// An error of one of these is of a response whose head is there: the peer did begin, even if it
/// then says that it did not.
const ANSWERED: &[fn(&Cause) -> bool] = &[
    #[cfg(feature = "hyper")]
    hyper::answered,
];

/// What `error` means, or nothing if no cause in its chain is known.
#[cold]
pub(crate) fn judge(error: &DynError) -> Option<Verdict> {
    if let Some(verdict) = chain(error).find_map(own) {
        return Some(verdict);
    }
    let mut verdict = RULES.iter().find_map(|rule| rule(error));
    if UNCONNECTED.iter().any(|holds| holds(error)) {
        return Some(verdict.unwrap_or(Verdict::transient("connect")).unsent());
    }
    if let Some(verdict) = &mut verdict
        && ANSWERED.iter().any(|holds| holds(error))
    {
        verdict.sent = Sent::Maybe;
    }
    verdict
}

/// What `cause` itself says, whatever stands beneath it.
///
/// The caller's own faults are looked for along with opinions: a request's body may fail with any
/// error, of another connection and with another's opinion, which must not be taken for this one's.
fn own(cause: &Cause) -> Option<Verdict> {
    #[cfg(feature = "hyper")]
    if let Some(verdict) = hyper::users(cause) {
        return Some(verdict);
    }
    Some(cause.downcast_ref::<Opinion>()?.verdict)
}
