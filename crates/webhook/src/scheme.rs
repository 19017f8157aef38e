use std::future::Future;
use std::time::{Duration, SystemTime};

use buttress_event::{Bound, Dedupe, Source, Verified};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, StatusCode};

use crate::{Refused, Reply};

/// How one kind of sender signs its webhooks.
///
/// A scheme holds the keys. For each delivery the layer calls, in this order, [`begin`](Self::begin)
/// with the head, [`update`](Self::update) with each piece of the body as it arrives, and
/// [`finish`](Self::finish) with all of it. None of them reads a clock, and only `finish` may wait.
///
/// Implement it for a sender of your own, or describe the sender to
/// [`HmacScheme::builder`](crate::HmacScheme::builder) if it signs with an HMAC.
/// [`boxed`](Self::boxed) makes schemes of different kinds one type.
pub trait Scheme: Send + Sync + 'static {
    /// A verification on its way, such as a running hash.
    type Progress: Send + 'static;
    /// Ends in the verdict; ready at once unless keys must be fetched.
    type Finish: Future<Output = Result<Verdict, Refused>> + Send + 'static;

    /// What the sender promises, and what its signature covers.
    fn facts(&self) -> &Facts;

    /// The answer to a request that is no delivery, such as the `GET` by which some senders ask
    /// whether an endpoint is alive. Default: there is no such request.
    ///
    /// # Errors
    /// Any [`Refused`], when it is such a request but may not be answered.
    fn greet(&self, head: &Parts) -> Result<Option<Reply>, Refused> {
        let _ = head;
        Ok(None)
    }

    /// Begins with the head.
    ///
    /// # Errors
    /// Any [`Refused`], when the head alone shows that nothing can come of it.
    fn begin(&self, head: &Parts) -> Result<Self::Progress, Refused>;

    /// Takes the next piece of the body.
    fn update(&self, progress: &mut Self::Progress, piece: &[u8]);

    /// Ends in the verdict: signature first, then time.
    fn finish(&self, progress: Self::Progress, delivery: &Delivery<'_>) -> Self::Finish;

    /// The scheme as a type that does not say which one it is.
    fn boxed(self) -> crate::BoxScheme
    where
        Self: Sized,
    {
        crate::BoxScheme::new(self)
    }
}

/// A delivery that has arrived in whole.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The request without its body.
    pub head: &'a Parts,
    /// The exact bytes of the body.
    pub body: &'a Bytes,
    /// The time that counts as now.
    pub now: SystemTime,
}

/// What comes of a delivery whose signature is right.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "it is moved once and never stored"
)]
pub enum Verdict {
    /// A question about the endpoint itself, with its answer: no handler sees it.
    Handshake(Reply),
    /// An event, with its receipt.
    Verified(Verified),
}

/// What a scheme declares about its sender.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts {
    /// Who sends.
    pub source: Source,
    /// The largest body that is read, in bytes.
    pub cap: usize,
    /// How far the signed time may lie from now, in either direction; `None` where none is signed.
    pub window: Option<Duration>,
    /// What the signature covers.
    pub covers: Vec<Covered>,
    /// Where the event's id comes from.
    pub id: IdKind,
    /// What makes two deliveries the same event; `None`: a signed id decides, else the body.
    pub dedupe: Option<Dedupe>,
    /// How far the signature vouches for the body.
    pub body: Bound,
    /// The status that tells the sender that all is well.
    pub success: StatusCode,
}

impl Facts {
    /// Facts for a sender of this name that signs the body: 1 MiB, no window, no id, 200.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            cap: 1024 * 1024,
            window: None,
            covers: vec![Covered::Body],
            id: IdKind::None,
            dedupe: None,
            body: Bound::Bound,
            success: StatusCode::OK,
        }
    }

    /// A receipt that says what is the same for every delivery of this sender.
    #[inline]
    pub fn receipt(&self) -> Verified {
        let receipt = Verified::new(self.source.clone())
            .with_body(self.body)
            .with_success(self.success);
        match self.dedupe {
            Some(dedupe) => receipt.with_dedupe(dedupe),
            None => receipt,
        }
    }
}

/// Where a sender's event id comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdKind {
    /// It has none.
    None,
    /// Covered by the signature.
    Signed,
    /// Not covered.
    Unsigned,
}

/// Bytes of a request that a signature covers: change one, and it no longer fits.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Covered {
    /// The whole body.
    Body,
    /// A checksum of the body: a slip changes it, but whoever means to can write another body that has it.
    BodyChecksum,
    /// These members of a JSON body or fields of a form, and nothing else of it.
    BodyFields(&'static [&'static str]),
    /// The names and values of a form's fields, however they are escaped and in whatever order.
    FormFields,
    /// The value of this header.
    Header(HeaderName),
    /// The method.
    Method,
    /// The number of the timestamp that stands in the signature's header.
    Timestamp,
    /// The URL, as configured and as requested.
    Url,
}
