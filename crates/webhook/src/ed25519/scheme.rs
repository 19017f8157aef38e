use std::fmt;
use std::future::{Ready, ready};
use std::time::Duration;

use buttress_event::{EventId, Name};
use ed25519_dalek::StreamVerifier;
use http::HeaderName;
use http::request::Parts;

use super::Key;
use crate::encoding::{ANY_CASE, base64, hex};
use crate::head::{label, seconds, single};
use crate::hmac::{feed, near, since_epoch};
use crate::json::{Scalar, members};
use crate::{Delivery, Facts, Part, Refused, Reply, Scheme, Verdict};

/// The most signatures that are tried of one header.
const MOST: usize = 4;

/// How a sender writes what it signs.
pub(crate) struct Form {
    pub(crate) signature: HeaderName,
    pub(crate) timestamp: HeaderName,
    /// What is signed before the body.
    pub(crate) before: Vec<Part>,
    /// Whether signatures are a list of `v1a,` and base64, and not one of hex.
    pub(crate) versions: bool,
    pub(crate) id: Id,
    pub(crate) answer: fn(&[u8]) -> Option<Reply>,
}

pub(crate) enum Id {
    Header(HeaderName),
    Member(&'static str),
}

/// A sender that signs with Ed25519.
///
/// Made by [`discord`](crate::discord) and [`standard_webhooks_v1a`](crate::standard_webhooks_v1a).
pub struct Ed25519Scheme {
    pub(crate) keys: Vec<Key>,
    pub(crate) facts: Facts,
    pub(crate) form: Form,
}

impl Ed25519Scheme {
    /// Sets how far the signed time may lie from now, in either direction. Default: the sender's.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.facts.window = Some(window);
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn cap(mut self, bytes: usize) -> Self {
        self.facts.cap = bytes;
        self
    }

    /// The signatures of the header.
    fn signatures(&self, head: &Parts) -> Result<Vec<[u8; 64]>, Refused> {
        let value = single(&head.headers, &self.form.signature)?;
        if !self.form.versions {
            let mut signature = [0; 64];
            hex(value, &mut signature, &ANY_CASE).ok_or(Refused::Mismatch)?;
            return Ok(vec![signature]);
        }
        let signatures: Vec<_> = value
            .split(|byte| *byte == b' ')
            .filter_map(|piece| {
                let mut signature = [0; 64];
                base64(piece.strip_prefix(b"v1a,")?, &mut signature)?;
                Some(signature)
            })
            .take(MOST)
            .collect();
        if signatures.is_empty() {
            return Err(Refused::Mismatch);
        }
        Ok(signatures)
    }

    fn judge(
        &self,
        progress: Ed25519Progress,
        delivery: &Delivery<'_>,
    ) -> Result<Verdict, Refused> {
        let index = progress
            .running
            .into_iter()
            .find_map(|(index, running)| running.finalize_and_verify().ok().map(|()| index))
            .ok_or(Refused::Mismatch)?;

        let headers = &delivery.head.headers;
        let number = seconds(single(headers, &self.form.timestamp)?);
        let signed = Duration::from_secs(number.ok_or(Refused::Malformed)?);
        let now = Duration::from_secs(since_epoch(delivery.now).as_secs());
        let at = near(signed, now, self.facts.window)?;
        let receipt = self
            .facts
            .receipt()
            .with_secret_index(index)
            .with_timestamp(at);
        if let Some(reply) = (self.form.answer)(delivery.body) {
            return Ok(Verdict::Handshake(reply));
        }
        let id = match &self.form.id {
            Id::Header(name) => label(headers, name).map(Name::from),
            Id::Member(name) => {
                let [id] = members(delivery.body, [name]);
                id.and_then(Scalar::into_name)
            }
        };
        Ok(Verdict::Verified(match id {
            Some(id) => receipt.with_event_id(EventId::signed(id)),
            None => receipt,
        }))
    }
}

/// A verification by [`Ed25519Scheme`] on its way: one for each key and signature.
pub struct Ed25519Progress {
    running: Vec<(usize, StreamVerifier)>,
}

impl fmt::Debug for Ed25519Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Progress").finish_non_exhaustive()
    }
}

impl Scheme for Ed25519Scheme {
    type Progress = Ed25519Progress;
    type Finish = Ready<Result<Verdict, Refused>>;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&self, head: &Parts) -> Result<Ed25519Progress, Refused> {
        let signatures = self.signatures(head)?;
        let time = single(&head.headers, &self.form.timestamp)?;
        let time = Some(time).filter(|time| seconds(time).is_some());
        let mut running: Vec<_> = self
            .keys
            .iter()
            .enumerate()
            .flat_map(|(index, key)| {
                let begun = signatures
                    .iter()
                    .filter_map(|signature| key.begin(signature));
                begun.map(move |running| (index, running))
            })
            .collect();
        feed(&self.form.before, head, time, &mut |piece| {
            for (_, running) in &mut running {
                running.update(piece);
            }
        })?;
        Ok(Ed25519Progress { running })
    }

    fn update(&self, progress: &mut Ed25519Progress, piece: &[u8]) {
        for (_, running) in &mut progress.running {
            running.update(piece);
        }
    }

    fn finish(&self, progress: Ed25519Progress, delivery: &Delivery<'_>) -> Self::Finish {
        ready(self.judge(progress, delivery))
    }
}

impl fmt::Debug for Ed25519Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Scheme")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
