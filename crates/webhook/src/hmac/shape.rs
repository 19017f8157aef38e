use std::borrow::Cow;

use http::HeaderName;
use http::request::Parts;

use super::form::Signature;
use super::part::Part;
use super::time::Timestamp;
use crate::mac::Algorithm;
use crate::{Refused, Reply};

/// Answers a request that is no delivery.
pub(super) type Greet = dyn Fn(&Parts) -> Result<Option<Reply>, Refused> + Send + Sync;
/// Answers a delivery that is a question, once its signature is known to be right, and by which secret.
pub(super) type Answers = dyn Fn(&[u8], usize) -> Result<Option<Reply>, Refused> + Send + Sync;

/// Where the event's id comes from.
#[derive(Clone, Debug)]
pub(super) enum Id {
    Header(HeaderName),
    Member(Cow<'static, str>),
    None,
}

impl Id {
    pub(super) const fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Member(_) | Self::None => None,
        }
    }
}

/// What a sender signs, and where it says so.
pub(super) struct Shape {
    pub(super) algorithm: Algorithm,
    pub(super) signature: Signature,
    pub(super) before: Vec<Part>,
    pub(super) after: Vec<Part>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) id: Id,
    /// Where the id's header stands among the parts before the body.
    pub(super) id_at: Option<usize>,
    pub(super) topic: Option<HeaderName>,
    pub(super) account: Option<HeaderName>,
    pub(super) required: Vec<HeaderName>,
    pub(super) empty_body: bool,
    pub(super) greet: Option<Box<Greet>>,
    pub(super) answers: Option<Box<Answers>>,
}

impl Shape {
    pub(super) fn signs(&self, header: &HeaderName) -> bool {
        self.before
            .iter()
            .chain(&self.after)
            .any(|part| matches!(part, Part::Header(name) if name == header))
    }
}
