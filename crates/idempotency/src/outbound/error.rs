use std::error::Error;
use std::fmt;
use std::time::Duration;

use buttress_classify::{BoxError, Opinion, Verdict};

/// A request was not sent, for the sake of its idempotency key.
///
/// No byte has left, so the operation stands as it stood before. Repeating the request changes
/// nothing. It says nothing about the provider's health.
#[derive(Debug)]
pub struct KeyRefused {
    refusal: Refusal,
    opinion: Opinion,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request's header and its [`OutboundKey`](crate::OutboundKey) name different keys.
    Conflict,
    /// The provider may have forgotten the key, and would execute the operation again.
    ///
    /// Ask the provider what became of the operation; do not send it under a new key before that.
    Expired {
        /// How long ago the key was first sent.
        age: Duration,
        /// How old a key may be: the profile's retention less the layer's margin.
        horizon: Duration,
    },
    /// The provider does not take a key of this length or these characters.
    Misfit,
    /// The request has no key, and the profile covers its method.
    Missing,
    /// The operating system had no random bytes for a key.
    NoEntropy,
    /// The request has as many headers as it can hold.
    NoRoom,
    /// The key brings a fingerprint, and the layer has no secret to check it with.
    NoSecret,
    /// The provider does not honour keys on this method.
    NotCovered,
    /// The key is to stand in a field of the body, and was not seen there.
    ///
    /// Only a body that is a single ready frame, JSON or form-encoded, can be looked at.
    NotInBody,
    /// The key was first sent in the future, further ahead than the layer's margin.
    ///
    /// One of two clocks is wrong by that much, so nobody can say how old the key is, nor whether the
    /// provider still knows it.
    Postdated {
        /// How far ahead of the clock.
        ahead: Duration,
    },
    /// The key was used for another method, path or body before.
    Reused,
    /// The accepted header holds no key, or is not written as the profile says.
    Unreadable,
    /// The request has a key header of unknown origin.
    UnexpectedHeader,
}

impl Refusal {
    /// A short, constant name, for telemetry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "key_conflict",
            Self::Expired { .. } => "key_expired",
            Self::Misfit => "key_misfit",
            Self::Missing => "key_missing",
            Self::NoEntropy => "key_no_entropy",
            Self::NoRoom => "key_no_room",
            Self::NoSecret => "key_no_secret",
            Self::NotCovered => "key_not_covered",
            Self::NotInBody => "key_not_in_body",
            Self::Postdated { .. } => "key_postdated",
            Self::Reused => "key_reused",
            Self::Unreadable => "key_unreadable",
            Self::UnexpectedHeader => "key_unexpected_header",
        }
    }
}

impl KeyRefused {
    #[cold]
    pub(crate) fn caused_by(refusal: Refusal, source: impl Into<BoxError>) -> Self {
        let verdict = Verdict::refused(refusal.as_str());
        Self {
            refusal,
            opinion: Opinion::caused_by(verdict, source),
        }
    }

    /// Why the request was refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }
}

impl From<Refusal> for Box<KeyRefused> {
    #[cold]
    fn from(refusal: Refusal) -> Self {
        Self::new(KeyRefused {
            refusal,
            opinion: Opinion::new(Verdict::refused(refusal.as_str())),
        })
    }
}

impl fmt::Display for KeyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not sent: ")?;
        match self.refusal {
            Refusal::Conflict => f.write_str("the header and the caller name different keys"),
            Refusal::Expired { age, horizon } => write!(
                f,
                "the idempotency key is {}s old, and the provider may forget it after {}s",
                age.as_secs(),
                horizon.as_secs()
            ),
            Refusal::Misfit => f.write_str("the provider does not take such a key"),
            Refusal::Missing => f.write_str("no idempotency key"),
            Refusal::NoEntropy => f.write_str("no random bytes for an idempotency key"),
            Refusal::NoRoom => f.write_str("no room for an idempotency key header"),
            Refusal::NoSecret => f.write_str("no secret to check the key's fingerprint with"),
            Refusal::NotCovered => f.write_str("the provider honours no key on this method"),
            Refusal::NotInBody => f.write_str("the idempotency key is not in the body"),
            Refusal::Postdated { ahead } => write!(
                f,
                "the idempotency key was first sent {}s in the future",
                ahead.as_secs()
            ),
            Refusal::Reused => f.write_str("the idempotency key was used for another request"),
            Refusal::Unreadable => f.write_str("unreadable idempotency key header"),
            Refusal::UnexpectedHeader => f.write_str("idempotency key header of unknown origin"),
        }
    }
}

impl Error for KeyRefused {
    /// Its own verdict, permanent and unsent, whose source is what was wrong with the key.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.opinion)
    }
}
