use std::fmt;
use std::future::{Ready, ready};

use buttress_event::{Bound, EventId, Name, Source};
use http::HeaderName;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::head::{label, single};
use crate::json::{Scalar, members};
use crate::mac::equal;
use crate::scheme::IdKind;
use crate::secret::Fault;
use crate::{Covered, Delivery, Facts, InvalidSecret, Refused, Scheme, Secrets, Verdict};

/// A sender that repeats a secret in a header and signs nothing.
///
/// Whoever knows the secret can send anything, and whoever sees one delivery knows it: the body is
/// [`Bound::Unbound`]. Made by [`gitlab_token`](crate::gitlab_token) and [`telegram`](crate::telegram).
pub struct TokenScheme {
    facts: Facts,
    header: HeaderName,
    /// Hashes, so that comparing tells nothing of a secret's length, and no secret is kept.
    secrets: Vec<[u8; 32]>,
    id: UnsignedId,
    topic: Option<HeaderName>,
    /// Headers whose presence means that the delivery is signed, and must not come in this way.
    excluded: Option<HeaderName>,
}

pub(crate) enum UnsignedId {
    Header(HeaderName),
    Member(&'static str),
}

impl TokenScheme {
    pub(crate) fn new(
        source: &'static str,
        header: HeaderName,
        id: UnsignedId,
        secrets: &Secrets,
        parse: impl Fn(&[u8]) -> Result<(), Fault>,
    ) -> Result<Self, InvalidSecret> {
        let secrets = secrets.parse(|secret| {
            parse(secret)?;
            Ok(Sha256::digest(secret).into())
        })?;
        Ok(Self {
            facts: Facts {
                covers: vec![Covered::Header(header.clone())],
                body: Bound::Unbound,
                id: IdKind::Unsigned,
                ..Facts::new(Source::from_static(source))
            },
            header,
            secrets,
            id,
            topic: None,
            excluded: None,
        })
    }

    pub(crate) fn topic(mut self, header: HeaderName) -> Self {
        self.topic = Some(header);
        self
    }

    pub(crate) fn exclude(mut self, header: HeaderName) -> Self {
        self.excluded = Some(header);
        self
    }

    /// Sets the largest body that is read, in bytes. Default: the sender's, else 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    fn judge(&self, index: usize, delivery: &Delivery<'_>) -> Verdict {
        let headers = &delivery.head.headers;
        let id = match &self.id {
            UnsignedId::Header(name) => label(headers, name).map(Name::from),
            UnsignedId::Member(name) => {
                let [id] = members(delivery.body, [name]);
                id.and_then(Scalar::into_name)
            }
        };
        let receipt = self.facts.receipt().with_secret_index(index);
        let receipt = match id {
            Some(id) => receipt.with_event_id(EventId::unsigned(id)),
            None => receipt,
        };
        let topic = self.topic.as_ref().and_then(|name| label(headers, name));
        Verdict::Verified(match topic {
            Some(topic) => receipt.with_topic(topic),
            None => receipt,
        })
    }
}

impl Scheme for TokenScheme {
    /// The place of the secret that was given.
    type Progress = usize;
    type Finish = Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, head: &Parts) -> Result<usize, Refused> {
        let given = Sha256::digest(single(&head.headers, &self.header)?);
        let mut found = None;
        for (index, secret) in self.secrets.iter().enumerate() {
            if equal(secret, &given) && found.is_none() {
                found = Some(index);
            }
        }
        let signed = |name| head.headers.contains_key(name);
        if self.excluded.as_ref().is_some_and(signed) {
            return Err(Refused::Forbidden);
        }
        found.ok_or(Refused::Mismatch)
    }

    fn update(&self, _progress: &mut usize, _piece: &[u8]) {}

    fn finish(&self, index: usize, delivery: &Delivery<'_>) -> Self::Finish {
        ready(Ok(self.judge(index, delivery)))
    }
}

impl fmt::Debug for TokenScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenScheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
