use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use buttress_key::{DerivationSecret, Fingerprint, IdempotencyKey, KeyInBody, Profile};
use http::{HeaderMap, Request};
use http_body::Body;

use super::derivation::Derivation;
use super::ledger::{Known, Ledger};
use super::{KeyRefused, OutboundKey, Peeked, Refusal};
use crate::telemetry::{self, Origin};

type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// Everything that decides which key a request is sent with, if it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) profile: Profile,
    pub(crate) source: Source,
    pub(crate) accept_header: bool,
    pub(crate) optional: bool,
    pub(crate) margin: Duration,
    pub(crate) clock: Option<Injected>,
    pub(crate) secret: Option<DerivationSecret>,
    pub(crate) ledger: Arc<Ledger>,
}

/// Where the key of a request comes from that does not bring one.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Derived(Arc<Derivation>),
    Nowhere,
    Random,
}

impl Source {
    /// Has a key for every request.
    const fn is_certain(&self) -> bool {
        matches!(self, Self::Random)
    }
}

#[derive(Clone)]
pub(crate) struct Injected(pub(crate) Arc<Clock>);

/// A key, and who chose it.
pub(super) struct Chosen {
    pub(super) owned: OutboundKey,
    pub(super) origin: Origin,
}

impl Rules {
    /// Writes the request's key, or says why the request must not be sent.
    #[inline]
    pub(crate) fn apply<B: Body + Unpin>(
        &self,
        request: &mut Request<Peeked<B>>,
    ) -> Result<(), Box<KeyRefused>> {
        if self.is_random()
            && request.extensions().is_empty()
            && self.profile.covers(request.method())
        {
            self.apply_random(request.headers_mut())
        } else {
            self.apply_any(request)
        }
    }

    /// A request that brings no key gets a random one, in a header.
    fn is_random(&self) -> bool {
        matches!(self.source, Source::Random)
            && !self.accept_header
            && self.profile.header().is_some()
    }

    #[inline(never)]
    fn apply_random(&self, headers: &mut HeaderMap) -> Result<(), Box<KeyRefused>> {
        let key = generate()?;
        self.check(&key)?;
        self.insert(&key, headers)?;
        telemetry::keyed(&self.profile, &key, 1, Origin::Random);
        Ok(())
    }

    #[inline(never)]
    fn apply_any<B: Body + Unpin>(
        &self,
        request: &mut Request<Peeked<B>>,
    ) -> Result<(), Box<KeyRefused>> {
        let owned = request.extensions_mut().remove::<OutboundKey>();
        let covered = self.profile.covers(request.method());
        // A key that is about to be written overwrites nothing unseen either: `insert` looks at what
        // it replaces.
        let writes = covered && (owned.is_some() || self.source.is_certain());
        let look = self.accept_header || !writes;
        let has_header = |name| request.headers().contains_key(name);
        let given = look && self.profile.header().is_some_and(has_header);
        if given && !self.accept_header {
            return Err(Refusal::UnexpectedHeader.into());
        }
        if !covered {
            return if owned.is_some() || given {
                Err(Refusal::NotCovered.into())
            } else {
                Ok(())
            };
        }
        let Some(chosen) = self.choose(request, owned, given)? else {
            return if self.optional {
                Ok(())
            } else {
                Err(Refusal::Missing.into())
            };
        };

        let key = chosen.owned.key();
        self.check(key)?;
        self.guard(&chosen, request)?;
        self.write(key, request, given)?;
        let generation = chosen.owned.generation();
        telemetry::keyed(&self.profile, key, generation, chosen.origin);
        Ok(())
    }

    /// The caller's key before the header's, and either before one that is made here.
    fn choose<B>(
        &self,
        request: &mut Request<B>,
        owned: Option<OutboundKey>,
        given: bool,
    ) -> Result<Option<Chosen>, Box<KeyRefused>> {
        let header = given.then(|| self.read(request.headers())).transpose()?;
        if let Some(owned) = owned {
            if header.is_some_and(|header| header != *owned.key()) {
                return Err(Refusal::Conflict.into());
            }
            let origin = Origin::Caller;
            return Ok(Some(Chosen { owned, origin }));
        }
        if let Some(key) = header {
            return Ok(Some(Chosen::new(key, Origin::Header)));
        }
        match &self.source {
            Source::Derived(derivation) => derivation.derive(&self.profile, request),
            Source::Nowhere => Ok(None),
            Source::Random => Ok(Some(Chosen::new(generate()?, Origin::Random))),
        }
    }

    /// The key in the request's own header, which must stand there as the profile writes it.
    fn read(&self, headers: &HeaderMap) -> Result<IdempotencyKey, Box<KeyRefused>> {
        let unreadable = || Refusal::Unreadable.into();
        let name = self.profile.header().ok_or_else(unreadable)?;
        let mut lines = headers.get_all(name).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return Err(unreadable());
        };
        let key = IdempotencyKey::parse(line)
            .map_err(|why| KeyRefused::caused_by(Refusal::Unreadable, why))?;
        if self.profile.to_value(&key) == line {
            Ok(key)
        } else {
            Err(unreadable())
        }
    }

    /// Does the provider take such a key?
    fn check(&self, key: &IdempotencyKey) -> Result<(), Box<KeyRefused>> {
        self.profile
            .check(key)
            .map_err(|why| KeyRefused::caused_by(Refusal::Misfit, why).into())
    }

    /// Refuses a key that the provider may have forgotten, or that was used for something else.
    fn guard<B: Body + Unpin>(
        &self,
        chosen: &Chosen,
        request: &mut Request<Peeked<B>>,
    ) -> Result<(), Box<KeyRefused>> {
        let field = self.profile.body_field();
        if chosen.origin == Origin::Random && field.is_none() {
            return Ok(());
        }
        let now = self.now();
        let owned = &chosen.owned;
        let first_sent = match chosen.origin {
            Origin::Caller => owned.first_sent(),
            _ => now,
        };
        self.within_horizon(first_sent, now)?;

        let key = owned.key();
        let is_whole = request.body_mut().look();
        let body = is_whole.then(|| request.body().first());
        let (method, uri) = (request.method(), request.uri());
        if let Some(field) = field
            && !body.is_some_and(|body| carries(body, field.as_bytes(), key.as_bytes()))
        {
            return Err(Refusal::NotInBody.into());
        }
        if let Some(fingerprint) = owned.fingerprint() {
            let secret = self.secret.as_ref().ok_or(Refusal::NoSecret)?;
            let same = |body| *fingerprint == Fingerprint::new(secret, method, uri, body);
            return if body.is_none_or(same) {
                Ok(())
            } else {
                Err(Refusal::Reused.into())
            };
        }
        let request = (method, uri, body);
        match self.ledger.enter(key, request, first_sent) {
            Known::Other => Err(Refusal::Reused.into()),
            Known::Since(first_sent) => self.within_horizon(first_sent, now),
        }
    }

    fn within_horizon(
        &self,
        first_sent: SystemTime,
        now: SystemTime,
    ) -> Result<(), Box<KeyRefused>> {
        let horizon = self.profile.retention().saturating_sub(self.margin);
        match now.duration_since(first_sent) {
            Ok(age) if age > horizon => Err(Refusal::Expired { age, horizon }.into()),
            // Another machine's clock may be faster, by no more than the margin is for.
            Err(early) if early.duration() > self.margin => Err(Refusal::Postdated {
                ahead: early.duration(),
            }
            .into()),
            _ => Ok(()),
        }
    }

    fn now(&self) -> SystemTime {
        match &self.clock {
            Some(Injected(clock)) => clock(),
            None => SystemTime::now(),
        }
    }

    fn write<B>(
        &self,
        key: &IdempotencyKey,
        request: &mut Request<B>,
        given: bool,
    ) -> Result<(), Box<KeyRefused>> {
        match self.profile.header() {
            Some(name) if given => {
                if let Some(value) = request.headers_mut().get_mut(name) {
                    value.set_sensitive(true);
                }
            }
            Some(_) => self.insert(key, request.headers_mut())?,
            None => {
                request.extensions_mut().insert(KeyInBody);
            }
        }
        Ok(())
    }

    fn insert(&self, key: &IdempotencyKey, headers: &mut HeaderMap) -> Result<(), Box<KeyRefused>> {
        let Some(name) = self.profile.header() else {
            return Ok(());
        };
        match headers.try_insert(name, self.profile.to_value(key)) {
            Ok(None) => Ok(()),
            // The request goes no further then, so that nothing was overwritten on the wire.
            Ok(Some(_)) => Err(Refusal::UnexpectedHeader.into()),
            Err(why) => Err(KeyRefused::caused_by(Refusal::NoRoom, why).into()),
        }
    }
}

fn generate() -> Result<IdempotencyKey, Box<KeyRefused>> {
    IdempotencyKey::generate().map_err(|why| KeyRefused::caused_by(Refusal::NoEntropy, why).into())
}

impl Chosen {
    /// A key that nobody has dated: what is known of its first sending the layer knows itself.
    pub(super) const fn new(key: IdempotencyKey, origin: Origin) -> Self {
        Self {
            owned: OutboundKey::new(key, SystemTime::UNIX_EPOCH),
            origin,
        }
    }
}

/// Does this field of a JSON or form-encoded body hold the key, written without an escape?
fn carries(body: &[u8], field: &[u8], key: &[u8]) -> bool {
    (0..body.len()).any(|at| {
        let (before, rest) = body.split_at(at);
        rest.strip_prefix(key)
            .is_some_and(|after| in_json(before, field, after) || in_form(before, field, after))
    })
}

/// Is a value between these a string under the name `field`?
fn in_json(before: &[u8], field: &[u8], after: &[u8]) -> bool {
    let name = || {
        let value = before.strip_suffix(b"\"")?.trim_ascii_end();
        let name = value.strip_suffix(b":")?.trim_ascii_end();
        name.strip_suffix(b"\"")?.strip_suffix(field)
    };
    after.starts_with(b"\"") && name().is_some_and(|before| before.ends_with(b"\""))
}

/// Is a value between these that of the pair named `field`?
fn in_form(before: &[u8], field: &[u8], after: &[u8]) -> bool {
    let name = || before.strip_suffix(b"=")?.strip_suffix(field);
    matches!(after.first(), None | Some(b'&'))
        && name().is_some_and(|before| matches!(before.last(), None | Some(b'&')))
}

impl fmt::Debug for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Injected(..)")
    }
}
