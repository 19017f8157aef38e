//! What is done before the body comes.

use std::fmt;

use http::HeaderName;
use http::request::Parts;

use super::part::feed_with;
use super::shape::Shape;
use super::time::Place;
use crate::Refused;
use crate::encoding::Tag;
use crate::head::{Number, optional, optionals, single};
use crate::mac::State;

/// The headers that are verified with, found in one pass; each refusal is kept until its turn.
pub(super) struct Sought<'a> {
    pub(super) signature: &'a [u8],
    pub(super) time: Result<Option<&'a [u8]>, Refused>,
    pub(super) id: Result<Option<&'a [u8]>, Refused>,
}

/// A verification by [`HmacScheme`](crate::HmacScheme) on its way.
pub struct HmacProgress {
    pub(super) running: State,
    pub(super) number: Option<u64>,
    /// The first of its signatures.
    pub(super) tag: Tag,
}

impl fmt::Debug for HmacProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacProgress").finish_non_exhaustive()
    }
}

impl HmacProgress {
    #[inline]
    pub(super) fn new(running: State) -> Self {
        Self {
            running,
            number: None,
            tag: Tag::default(),
        }
    }
}

impl Shape {
    /// Finds what is verified with. An absent signature is known before the body is read.
    #[inline]
    pub(super) fn seek<'a>(&self, head: &'a Parts) -> Result<Sought<'a>, Refused> {
        let clock = match self.timestamp.as_ref().map(|time| &time.place) {
            Some(Place::Header(name)) => Some(name),
            _ => None,
        };
        let names = [Some(&self.signature.header), clock, self.id.header()];
        let [signature, time, id] = optionals(&head.headers, names);
        Ok(Sought {
            signature: signature?.ok_or(Refused::Missing)?,
            time,
            id,
        })
    }

    /// Decodes the first signature; returns the time if it stands beside it.
    #[inline]
    pub(super) fn decode<'a>(
        &self,
        sought: &Sought<'a>,
        progress: &mut HmacProgress,
    ) -> Result<Option<Number<'a>>, Refused> {
        self.signature
            .read(sought.signature, self.algorithm, &mut progress.tag)
    }

    /// Takes in what is signed before the body; `beside` is the time beside the signature.
    #[inline]
    pub(super) fn take_in<'a>(
        &self,
        head: &'a Parts,
        sought: &Sought<'a>,
        beside: Option<Number<'a>>,
        progress: &mut HmacProgress,
    ) -> Result<(), Refused> {
        for name in &self.required {
            optional(&head.headers, name)?.ok_or(Refused::Missing)?;
        }
        let number = match self.timestamp.as_ref().map(|time| &time.place) {
            Some(Place::Header(_)) => {
                let text = sought.time?.ok_or(Refused::Missing)?;
                Some(Number::read(text).ok_or(Refused::Malformed)?)
            }
            Some(Place::Pair) => beside,
            Some(Place::Member(_)) | None => None,
        };
        let time = number.map(|number| number.text);
        progress.number = number.map(|number| number.value);
        let id = self.id.header();
        let header = |name: &HeaderName| match id {
            Some(id) if id == name => sought.id?.ok_or(Refused::Missing),
            _ => single(&head.headers, name),
        };
        feed_with(&self.before, head, header, time, &mut |piece| {
            progress.running.update(piece);
        })
    }
}
