use std::borrow::Cow;
use std::fmt;
use std::future::{Ready, ready};
use std::time::SystemTime;

use buttress_event::EventId;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::HmacBuilder;
use super::form::Signature;
use super::part::{Part, digits, feed, feed_with};
use super::time::{Place, Timestamp};
use crate::encoding::Tag;
use crate::head::{Number, label, optional, optionals, single};
use crate::json::{Scalar, members};
use crate::mac::{Algorithm, Keys, State};
use crate::{Delivery, Facts, IdKind, Refused, Reply, Scheme, Verdict};

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
    const fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Member(_) | Self::None => None,
        }
    }
}

/// A sender that signs with an HMAC.
///
/// Ready ones are functions named after the sender, such as [`stripe`](crate::stripe); your own is
/// made by [`HmacScheme::builder`].
pub struct HmacScheme {
    pub(super) keys: Keys,
    pub(super) facts: Facts,
    pub(super) shape: Shape,
}

pub(super) struct Shape {
    pub(super) algorithm: Algorithm,
    pub(super) signature: Signature,
    pub(super) before: Vec<Part>,
    pub(super) after: Vec<Part>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) id: Id,
    pub(super) topic: Option<HeaderName>,
    pub(super) account: Option<HeaderName>,
    pub(super) required: Vec<HeaderName>,
    pub(super) empty_body: bool,
    pub(super) greet: Option<Box<Greet>>,
    pub(super) answers: Option<Box<Answers>>,
}

impl HmacScheme {
    /// Describes a sender; see [`HmacBuilder`] for what there is to say.
    pub fn builder(source: buttress_event::Source, signature: Signature) -> HmacBuilder {
        HmacBuilder::new(source, signature)
    }

    /// Sets how far the signed time may lie from now, in either direction. Default: the sender's.
    #[must_use]
    pub const fn window(mut self, window: std::time::Duration) -> Self {
        self.facts.window = Some(window);
        self
    }

    /// Sets the largest body that is read, in bytes. Default: the sender's, else 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    #[inline]
    fn judge(
        &self,
        progress: &mut HmacProgress,
        delivery: &Delivery<'_>,
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
        let id = self.id(delivery);
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
        let Shape { signature, .. } = &self.shape;
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

    fn id(&self, delivery: &Delivery<'_>) -> EventId {
        match &self.shape.id {
            Id::Header(name) => match label(&delivery.head.headers, name) {
                Some(id) if self.facts.id == IdKind::Signed => EventId::signed(id),
                Some(id) => EventId::unsigned(id),
                None => EventId::None,
            },
            Id::Member(name) => {
                let [id] = members(delivery.body, [name]);
                id.and_then(Scalar::into_name)
                    .map_or(EventId::None, EventId::signed)
            }
            Id::None => EventId::None,
        }
    }
}

impl Shape {
    pub(super) fn signs(&self, header: &HeaderName) -> bool {
        self.before
            .iter()
            .chain(&self.after)
            .any(|part| matches!(part, Part::Header(name) if name == header))
    }
}

fn member_number(body: &[u8], name: &str) -> Result<u64, Refused> {
    match members(body, [name]) {
        [Some(Scalar::Number(number))] => Ok(number),
        [Some(_)] => Err(Refused::Malformed),
        [None] => Err(Refused::Missing),
    }
}

/// A verification by [`HmacScheme`] on its way.
pub struct HmacProgress {
    running: State,
    number: Option<u64>,
    /// The first of its signatures.
    tag: Tag,
}

impl fmt::Debug for HmacProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacProgress").finish_non_exhaustive()
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
        let place = self.shape.timestamp.as_ref().map(|time| &time.place);
        let clock = match place {
            Some(Place::Header(name)) => Some(name),
            _ => None,
        };
        let id = self.shape.id.header();
        let sought = [Some(&self.shape.signature.header), clock, id];
        let [signature, clock, named] = optionals(&head.headers, sought);
        // An absent signature is known before the body is read.
        let signature = signature?.ok_or(Refused::Missing)?;
        let mut progress = HmacProgress {
            running: self.keys.start(),
            number: None,
            tag: Tag::default(),
        };
        let Shape { algorithm, .. } = self.shape;
        let tag = &mut progress.tag;
        let pair = self.shape.signature.read(signature, algorithm, tag)?;
        for name in &self.shape.required {
            optional(&head.headers, name)?.ok_or(Refused::Missing)?;
        }
        let number = match place {
            Some(Place::Header(_)) => {
                let text = clock?.ok_or(Refused::Missing)?;
                Some(Number::read(text).ok_or(Refused::Malformed)?)
            }
            Some(Place::Pair) => pair,
            Some(Place::Member(_)) | None => None,
        };
        let time = number.map(|number| number.text);
        progress.number = number.map(|number| number.value);
        let header = |name: &HeaderName| match id {
            Some(id) if id == name => named?.ok_or(Refused::Missing),
            _ => single(&head.headers, name),
        };
        feed_with(&self.shape.before, head, header, time, &mut |piece| {
            progress.running.update(piece);
        })?;
        Ok(progress)
    }

    #[inline]
    fn update(&self, progress: &mut HmacProgress, piece: &[u8]) {
        progress.running.update(piece);
    }

    #[inline]
    fn finish(&self, mut progress: HmacProgress, delivery: &Delivery<'_>) -> Self::Finish {
        ready(self.judge(&mut progress, delivery))
    }
}

impl fmt::Debug for HmacScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
