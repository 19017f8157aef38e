//! What is done before the body comes.

use std::fmt;

use http::HeaderName;
use http::request::Parts;

use super::part::feed_with;
use super::shape::Shape;
use super::time::Place;
use crate::Refused;
use crate::encoding::Tag;
use crate::head::{Number, decimal, optional, optionals};
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
        let names = [Some(&self.signature.header), self.clock(), self.id.header()];
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
    ///
    /// The time is taken in as it stands: what it says is asked by [`number`](Self::number).
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
        let time = match self.clock() {
            Some(_) => Some(sought.time?.ok_or(Refused::Missing)?),
            None => beside.map(|number| number.text),
        };
        let id = sought.id.ok().flatten();
        let known = |place| id.filter(|_| self.id_at == Some(place));
        feed_with(&self.before, head, known, time, &mut |piece| {
            progress.running.update(piece);
        })
    }

    /// The time that a head tells.
    #[inline]
    pub(super) fn number(
        &self,
        sought: &Sought<'_>,
        beside: Option<Number<'_>>,
    ) -> Result<Option<u64>, Refused> {
        if self.clock().is_none() {
            return Ok(beside.map(|number| number.value));
        }
        let text = sought.time?.ok_or(Refused::Missing)?;
        decimal(text).map(Some).ok_or(Refused::Malformed)
    }

    /// The header that says when the sender signed.
    #[inline]
    fn clock(&self) -> Option<&HeaderName> {
        match &self.timestamp.as_ref()?.place {
            Place::Header(name) => Some(name),
            Place::Pair | Place::Member(_) => None,
        }
    }
}
