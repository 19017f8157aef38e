use std::fmt;
use std::future::{Ready, ready};
use std::time::SystemTime;

use buttress_event::{EventId, Name};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::HmacBuilder;
use super::form::Signature;
use super::opening::HmacProgress;
use super::part::{digits, feed};
use super::shape::{Id, Shape};
use super::time::Place;
use crate::encoding::Tag;
use crate::head::{label, optional, single};
use crate::json::{Scalar, members};
use crate::mac::Keys;
use crate::{Delivery, Facts, IdKind, Refused, Reply, Scheme, Verdict};

/// A sender that signs with an HMAC.
///
/// Ready ones are functions named after the sender, such as [`stripe`](crate::stripe); your own is
/// made by [`HmacScheme::builder`].
pub struct HmacScheme {
    pub(super) keys: Keys,
    pub(super) facts: Facts,
    pub(super) shape: Shape,
}

impl HmacScheme {
    /// Describes a sender; see [`HmacBuilder`] for what there is to say.
    pub fn builder(source: buttress_event::Source, signature: Signature) -> HmacBuilder {
        HmacBuilder::new(source, signature)
    }

    /// Sets how far the signed time may lie from now, in either direction. Default: the sender's.
    ///
    /// Where no time is signed, as by GitHub, there is none to look at, and this changes nothing.
    #[must_use]
    pub const fn window(mut self, window: std::time::Duration) -> Self {
        if self.shape.timestamp.is_some() {
            self.facts.window = Some(window);
        }
        self
    }

    /// Sets the largest body that is read, in bytes. Default: the sender's, else 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    /// Verifies a delivery that has arrived in whole, at once.
    ///
    /// # Errors
    /// Any [`Refused`]; [`Refused::TooLarge`] when the body exceeds the scheme's cap.
    pub fn verify(&self, delivery: &Delivery<'_>) -> Result<Verdict, Refused> {
        if delivery.body.len() > self.facts.cap {
            return Err(Refused::TooLarge);
        }
        if let Some(greet) = &self.shape.greet
            && let Some(reply) = greet(delivery.head)?
        {
            return Ok(Verdict::Handshake(reply));
        }
        let head = delivery.head;
        let mut progress = HmacProgress::new(self.keys.start());
        let sought = self.shape.seek(head)?;
        let beside = if self.shape.signature.has_time() {
            self.shape.decode(&sought, &mut progress)?
        } else {
            None
        };
        let taken = self.shape.take_in(head, &sought, beside, &mut progress);
        progress.running.update(delivery.body);
        // What is read here is needed last: the processor reads it while it hashes.
        if !self.shape.signature.has_time() {
            self.shape.decode(&sought, &mut progress)?;
        }
        taken?;
        progress.number = self.shape.number(&sought, beside)?;
        let id = self.name(sought.id.ok().flatten());
        self.judge(&mut progress, delivery, id)
    }

    #[inline]
    fn judge(
        &self,
        progress: &mut HmacProgress,
        delivery: &Delivery<'_>,
        id: EventId,
    ) -> Result<Verdict, Refused> {
        let (head, headers) = (delivery.head, &delivery.head.headers);
        let number = progress.number;
        if !self.shape.after.is_empty() {
            let mut buffer = [0; 20];
            let time = number.map(|number| digits(number, &mut buffer));
            feed(&self.shape.after, head, time, &mut |piece| {
                progress.running.update(piece);
            })?;
        }
        let code = progress.running.code();
        let index = if code.is(&progress.tag) || code.is_among(&self.tags(headers)) {
            0
        } else {
            self.find_later(delivery, number).ok_or(Refused::Mismatch)?
        };
        if delivery.body.is_empty() && !self.shape.empty_body {
            return Err(Refused::Missing);
        }

        let signed = self.signed_at(number, delivery)?;
        if let Some(answers) = &self.shape.answers
            && let Some(reply) = answers(delivery.body, index)?
        {
            return Ok(Verdict::Handshake(reply));
        }

        // All names first: then the receipt is written where it stays.
        let id = match &self.shape.id {
            Id::Member(name) => {
                let [id] = members(delivery.body, [name]);
                id.and_then(Scalar::into_name)
                    .map_or(EventId::None, EventId::Signed)
            }
            Id::Header(_) | Id::None => id,
        };
        let text = |name: &Option<HeaderName>| label(headers, name.as_ref()?);
        let (topic, account) = (text(&self.shape.topic), text(&self.shape.account));
        let mut receipt = self
            .facts
            .receipt()
            .with_secret_index(index)
            .with_event_id(id);
        if let Some(signed) = signed {
            receipt = receipt.with_timestamp(signed);
        }
        if let Some(topic) = topic {
            receipt = receipt.with_topic(topic);
        }
        if let Some(account) = account {
            receipt = receipt.with_account(account);
        }
        Ok(Verdict::Verified(receipt))
    }

    /// When the sender signed, if it says so, and if that is near enough to now.
    #[inline]
    fn signed_at(
        &self,
        number: Option<u64>,
        delivery: &Delivery<'_>,
    ) -> Result<Option<SystemTime>, Refused> {
        let Some(timestamp) = &self.shape.timestamp else {
            return Ok(None);
        };
        let number = match (&timestamp.place, number) {
            (Place::Member(name), _) => member_number(delivery.body, name)?,
            (_, number) => number.ok_or(Refused::Missing)?,
        };
        timestamp
            .check(number, self.facts.window, delivery.now)
            .map(Some)
    }

    /// All signatures of a head that has been begun with.
    #[cold]
    fn tags(&self, headers: &HeaderMap) -> [Option<Tag>; 4] {
        let signature = &self.shape.signature;
        let value = single(headers, &signature.header).unwrap_or_default();
        signature.all(value, self.shape.algorithm)
    }

    /// Tries the other secrets, now that the first one does not fit, on the body in whole.
    #[cold]
    fn find_later(&self, delivery: &Delivery<'_>, number: Option<u64>) -> Option<usize> {
        let head = delivery.head;
        let tags = self.tags(&head.headers);
        let mut buffer = [0; 20];
        let time = number.map(|number| digits(number, &mut buffer));
        self.keys.find_later(&tags, |each| {
            let _ = feed(&self.shape.before, head, time, each);
            each(delivery.body);
            let _ = feed(&self.shape.after, head, time, each);
        })
    }

    /// The event's id, as a header tells it.
    #[inline]
    fn name(&self, header: Option<&[u8]>) -> EventId {
        match header.and_then(|id| Name::from_utf8(id).ok()) {
            Some(id) if self.facts.id == IdKind::Signed => EventId::Signed(id),
            Some(id) => EventId::Unsigned(id),
            None => EventId::None,
        }
    }
}

fn member_number(body: &[u8], name: &str) -> Result<u64, Refused> {
    match members(body, [name]) {
        [Some(Scalar::Number(number))] => Ok(number),
        [Some(_)] => Err(Refused::Malformed),
        [None] => Err(Refused::Missing),
    }
}

impl Scheme for HmacScheme {
    type Progress = HmacProgress;
    type Finish = Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn greet(&self, head: &Parts) -> Result<Option<Reply>, Refused> {
        match &self.shape.greet {
            Some(greet) => greet(head),
            None => Ok(None),
        }
    }

    #[inline]
    fn begin(&self, head: &Parts) -> Result<HmacProgress, Refused> {
        let mut progress = HmacProgress::new(self.keys.start());
        let sought = self.shape.seek(head)?;
        let beside = self.shape.decode(&sought, &mut progress)?;
        self.shape.take_in(head, &sought, beside, &mut progress)?;
        progress.number = self.shape.number(&sought, beside)?;
        Ok(progress)
    }

    #[inline]
    fn update(&self, progress: &mut HmacProgress, piece: &[u8]) {
        progress.running.update(piece);
    }

    #[inline]
    fn finish(&self, mut progress: HmacProgress, delivery: &Delivery<'_>) -> Self::Finish {
        let header = self.shape.id.header();
        let id = header.and_then(|name| optional(&delivery.head.headers, name).ok()?);
        let id = self.name(id);
        ready(self.judge(&mut progress, delivery, id))
    }
}

impl fmt::Debug for HmacScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
