use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use buttress_key::{DerivationSecret, Fingerprint, IdempotencyKey, KeyInBody, Profile};
use http::request::Parts;
use http_body::Body;

use super::ledger::{Known, Ledger};
use super::{KeyRefused, Operation, OutboundKey, Peeked, Refusal};
use crate::telemetry::{self, Origin};

type Name = dyn Fn(&Parts) -> Option<Operation> + Send + Sync;
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

pub(crate) struct Derivation {
    pub(crate) secret: DerivationSecret,
    pub(crate) namespace: String,
    pub(crate) name: Box<Name>,
}

#[derive(Clone)]
pub(crate) struct Injected(pub(crate) Arc<Clock>);

/// A key, and who chose it.
struct Chosen {
    owned: OutboundKey,
    origin: Origin,
}

impl Rules {
    /// Writes the request's key, or says why the request must not be sent.
    pub(crate) fn apply<B: Body + Unpin>(
        &self,
        head: &mut Parts,
        body: &mut Peeked<B>,
    ) -> Result<(), KeyRefused> {
        let owned = head.extensions.remove::<OutboundKey>();
        let covered = self.profile.covers(&head.method);
        // A key that is about to be written overwrites nothing unseen either: `write` looks at what it
        // replaces.
        let writes = covered && (owned.is_some() || self.source.is_certain());
        let look = self.accept_header || !writes;
        let has_header = |name| head.headers.contains_key(name);
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
        let Some(chosen) = self.choose(head, owned, given)? else {
            return if self.optional {
                Ok(())
            } else {
                Err(Refusal::Missing.into())
            };
        };

        let misfit = |why| KeyRefused::caused_by(Refusal::Misfit, why);
        self.profile.check(chosen.owned.key()).map_err(misfit)?;
        self.guard(&chosen, head, body)?;
        self.write(chosen.owned.key(), head, given)?;
        telemetry::keyed(&self.profile, &chosen.owned, chosen.origin);
        Ok(())
    }

    /// The caller's key before the header's, and either before one that is made here.
    fn choose(
        &self,
        head: &Parts,
        owned: Option<OutboundKey>,
        given: bool,
    ) -> Result<Option<Chosen>, KeyRefused> {
        let header = given.then(|| self.read(head)).transpose()?;
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
            Source::Derived(derivation) => derivation.derive(&self.profile, head),
            Source::Nowhere => Ok(None),
            Source::Random => IdempotencyKey::generate()
                .map(|key| Some(Chosen::new(key, Origin::Random)))
                .map_err(|why| KeyRefused::caused_by(Refusal::NoEntropy, why)),
        }
    }

    /// The key in the request's own header, which must stand there as the profile writes it.
    fn read(&self, head: &Parts) -> Result<IdempotencyKey, KeyRefused> {
        let unreadable = || KeyRefused::from(Refusal::Unreadable);
        let name = self.profile.header().ok_or_else(unreadable)?;
        let mut lines = head.headers.get_all(name).iter();
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

    /// Refuses a key that the provider may have forgotten, or that was used for something else.
    fn guard<B: Body + Unpin>(
        &self,
        chosen: &Chosen,
        head: &Parts,
        body: &mut Peeked<B>,
    ) -> Result<(), KeyRefused> {
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
        let body = body.look();
        if let Some(field) = field
            && !body.is_some_and(|body| carries(body, field.as_bytes(), key.as_bytes()))
        {
            return Err(Refusal::NotInBody.into());
        }
        if let Some(fingerprint) = owned.fingerprint() {
            let secret = self.secret.as_ref().ok_or(Refusal::NoSecret)?;
            let same =
                |body| *fingerprint == Fingerprint::new(secret, &head.method, &head.uri, body);
            return if body.is_none_or(same) {
                Ok(())
            } else {
                Err(Refusal::Reused.into())
            };
        }
        let request = (&head.method, &head.uri, body);
        match self.ledger.enter(key, request, first_sent) {
            Known::Other => Err(Refusal::Reused.into()),
            Known::Since(first_sent) => self.within_horizon(first_sent, now),
        }
    }

    fn within_horizon(&self, first_sent: SystemTime, now: SystemTime) -> Result<(), KeyRefused> {
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

    fn write(&self, key: &IdempotencyKey, head: &mut Parts, given: bool) -> Result<(), KeyRefused> {
        match self.profile.header() {
            Some(name) if given => {
                if let Some(value) = head.headers.get_mut(name) {
                    value.set_sensitive(true);
                }
            }
            Some(name) => match head.headers.try_insert(name, self.profile.to_value(key)) {
                Ok(None) => {}
                // The request goes no further then, so that nothing was overwritten on the wire.
                Ok(Some(_)) => return Err(Refusal::UnexpectedHeader.into()),
                Err(why) => return Err(KeyRefused::caused_by(Refusal::NoRoom, why)),
            },
            None => {
                head.extensions.insert(KeyInBody);
            }
        }
        Ok(())
    }
}

impl Derivation {
    fn derive(&self, profile: &Profile, head: &Parts) -> Result<Option<Chosen>, KeyRefused> {
        let Some(Operation {
            name,
            entity,
            generation,
        }) = (self.name)(head)
        else {
            return Ok(None);
        };
        let key = profile
            .derive(&self.secret, &self.namespace, &name, &entity, generation)
            .map_err(|why| KeyRefused::caused_by(Refusal::Misfit, why))?;
        let mut chosen = Chosen::new(key, Origin::Derived);
        chosen.owned = chosen.owned.with_generation(generation);
        Ok(Some(chosen))
    }
}

impl Chosen {
    /// A key that nobody has dated: what is known of its first sending the layer knows itself.
    const fn new(key: IdempotencyKey, origin: Origin) -> Self {
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

impl fmt::Debug for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derivation")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Injected(..)")
    }
}
