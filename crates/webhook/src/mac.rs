//! Message authentication codes, and the one place where anything is compared with a secret.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::encoding::Tag;
use crate::secret::Fault;
use crate::{InvalidSecret, Secrets};

/// The hash under an HMAC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA1, 20 bytes. For senders that know nothing better.
    Sha1,
    /// HMAC-SHA256, 32 bytes.
    Sha256,
}

impl Algorithm {
    /// The length of its output in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
pub(crate) fn equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// An HMAC that has taken in its key, and perhaps some of the message.
#[derive(Clone)]
pub(crate) enum State {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl State {
    pub(crate) fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, Fault> {
        let keyed = match algorithm {
            Algorithm::Sha1 => Hmac::new_from_slice(key).map(Self::Sha1),
            Algorithm::Sha256 => Hmac::new_from_slice(key).map(Self::Sha256),
        };
        // HMAC takes keys of any length; an empty one is refused where secrets are parsed.
        keyed.map_err(|_| Fault::Length("a length that HMAC takes"))
    }

    fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha1(mac) => mac.update(piece),
            Self::Sha256(mac) => mac.update(piece),
        }
    }

    fn finish(self) -> Code {
        let mut bytes = [0; 32];
        let len = match self {
            Self::Sha1(mac) => fill(&mut bytes, &mac.finalize().into_bytes()),
            Self::Sha256(mac) => fill(&mut bytes, &mac.finalize().into_bytes()),
        };
        Code { bytes, len }
    }
}

fn fill(bytes: &mut [u8; 32], output: &[u8]) -> usize {
    for (to, from) in bytes.iter_mut().zip(output) {
        *to = *from;
    }
    output.len()
}

/// What an HMAC came to.
struct Code {
    bytes: [u8; 32],
    len: usize,
}

impl Code {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The keys of one sender, each ready to go on from.
pub(crate) struct Keys(Vec<State>);

impl Keys {
    /// Keys that are the secrets' bytes as they are.
    pub(crate) fn raw(algorithm: Algorithm, secrets: &Secrets) -> Result<Self, InvalidSecret> {
        Self::decoded(algorithm, secrets, |secret| Ok(secret.to_vec()))
    }

    /// Keys that a sender writes in a form of its own.
    pub(crate) fn decoded(
        algorithm: Algorithm,
        secrets: &Secrets,
        decode: impl Fn(&[u8]) -> Result<Vec<u8>, Fault>,
    ) -> Result<Self, InvalidSecret> {
        secrets
            .parse(|secret| {
                let key = zeroize::Zeroizing::new(decode(secret)?);
                if key.is_empty() {
                    return Err(Fault::Empty);
                }
                State::new(algorithm, &key)
            })
            .map(Self)
    }

    pub(crate) fn start(&self) -> Running {
        let mut running = Running([const { None }; 4]);
        for (slot, key) in running.0.iter_mut().zip(&self.0) {
            *slot = Some(key.clone());
        }
        running
    }

    /// The code of a message under the newest secret.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let Some(mut state) = self.0.first().cloned() else {
            return Vec::new();
        };
        state.update(message);
        state.finish().as_slice().to_vec()
    }
}

/// One running code for each key, side by side.
pub(crate) struct Running([Option<State>; 4]);

impl Running {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        for state in self.0.iter_mut().flatten() {
            state.update(piece);
        }
    }

    /// The place of the key under which one of the tags fits.
    pub(crate) fn finish(self, tags: &(impl Iterator<Item = Tag> + Clone)) -> Option<usize> {
        let mut found = None;
        for (index, state) in self.0.into_iter().flatten().enumerate() {
            let code = state.finish();
            for tag in tags.clone() {
                if equal(code.as_slice(), tag.as_slice()) && found.is_none() {
                    found = Some(index);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;

    fn tag(text: &str) -> Tag {
        Tag::decode(text.as_bytes(), Encoding::Hex, text.len() / 2).unwrap()
    }

    /// RFC 4231 §4.3 and RFC 2202 §3, test case 2.
    #[test]
    fn codes_are_those_of_the_rfcs() {
        for (algorithm, code) in [
            (
                Algorithm::Sha256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ] {
            let keys = Keys::raw(algorithm, &"Jefe".into()).unwrap();
            let mut running = keys.start();
            running.update(b"what do ya want ");
            running.update(b"for nothing?");
            assert_eq!(running.finish(&[tag(code)].into_iter()), Some(0));
        }
    }

    #[test]
    fn the_place_of_the_matching_secret_is_told() {
        let keys = Keys::raw(Algorithm::Sha256, &["new", "Jefe", "old"].into()).unwrap();
        let mut running = keys.start();
        running.update(b"what do ya want for nothing?");
        let code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(running.finish(&[tag(code)].into_iter()), Some(1));
    }

    #[test]
    fn no_tag_fits_nothing() {
        let keys = Keys::raw(Algorithm::Sha256, &"Jefe".into()).unwrap();
        assert_eq!(keys.start().finish(&[].into_iter()), None);
        // A tag of no bytes is not the prefix of anything.
        assert_eq!(keys.start().finish(&[tag("")].into_iter()), None);
    }

    #[test]
    fn empty_absent_and_too_many_secrets_are_refused() {
        let refused = |secrets: Secrets| Keys::raw(Algorithm::Sha256, &secrets).is_err();
        assert!(refused("".into()));
        assert!(refused(["full", ""].into()));
        assert!(refused(Vec::<u8>::new().into()));
        assert!(refused(Secrets::from_iter([] as [&str; 0])));
        assert!(refused(["1", "2", "3", "4", "5"].into()));
        assert!(!refused(["1", "2", "3", "4"].into()));
    }
}
