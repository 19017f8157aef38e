use rustls::{AlertDescription, Error};

use super::Cause;
use crate::{Verdict, find};

/// A handshake that failed over a certificate or a version fails again, though it is an error of
/// connecting; a broken record or the peer's own trouble may pass.
pub(super) fn judge(error: &Cause) -> Option<Verdict> {
    Some(match find::<Error>(error)? {
        Error::AlertReceived(
            AlertDescription::BadRecordMac
            | AlertDescription::CloseNotify
            | AlertDescription::InternalError
            | AlertDescription::UserCanceled,
        )
        | Error::DecryptError
        | Error::PeerSentOversizedRecord => Verdict::transient("tls"),
        Error::InvalidCertificate(_) => Verdict::permanent("certificate"),
        _ => Verdict::permanent("tls"),
    })
}
