use std::io::{Error, ErrorKind};

use super::Cause;
use crate::{Sent, Verdict, chain};

/// The first kind in the chain that says something.
///
/// Beneath an error that is not known, it may be of a connection that stood. Where hyper's errors are
/// known, that error is not hyper's, which tells the two apart.
pub(super) fn judge(error: &Cause) -> Option<Verdict> {
    if cfg!(feature = "hyper") || error.is::<Error>() {
        first(error)
    } else {
        lost(error)
    }
}

/// The same under a connection that stood.
///
/// Even "refused" proves nothing there: the kernel reports a late ICMP refusal on a connection that
/// has long carried the request.
pub(super) fn lost(error: &Cause) -> Option<Verdict> {
    let mut verdict = first(error)?;
    verdict.sent = Sent::Maybe;
    Some(verdict)
}

fn first(error: &Cause) -> Option<Verdict> {
    chain(error)
        .filter_map(|error| error.downcast_ref::<Error>())
        .find_map(|error| kind(error.kind()))
}

fn kind(kind: ErrorKind) -> Option<Verdict> {
    Some(match kind {
        // Only a connection that never came to be is refused, or lacks an address to come from.
        ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable => {
            Verdict::transient("connect").unsent()
        }
        // The network may also lose its way under a connection that stood, after the request.
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            Verdict::transient("unreachable")
        }
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof
        | ErrorKind::WriteZero => Verdict::transient("reset"),
        ErrorKind::TimedOut => Verdict::transient("timeout"),
        ErrorKind::Interrupted | ErrorKind::WouldBlock => Verdict::transient("io"),
        ErrorKind::InvalidData
        | ErrorKind::InvalidInput
        | ErrorKind::PermissionDenied
        | ErrorKind::Unsupported => Verdict::permanent("io"),
        _ => return None,
    })
}
