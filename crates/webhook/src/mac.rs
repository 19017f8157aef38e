//! Message authentication codes, and the one place where anything is compared with a secret.

mod state;

use std::ops::{BitOr, BitXor};

use subtle::ConstantTimeEq;

use self::state::Key;
pub(crate) use self::state::State;
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

/// Whether two strings, of bytes or of words, are equal, in time that depends on their lengths alone.
#[inline]
pub(crate) fn equal<T>(one: &[T], other: &[T]) -> bool
where
    T: BitOr<Output = T> + BitXor<Output = T> + ConstantTimeEq + Copy + Default,
{
    // All differences are gathered before any is looked at, and `subtle` looks.
    let differences = one
        .iter()
        .zip(other)
        .fold(T::default(), |differences, (one, other)| {
            differences | (*one ^ *other)
        });
    one.len() == other.len() && bool::from(differences.ct_eq(&T::default()))
}

/// The keys of one sender, each ready to go on from.
pub(crate) struct Keys {
    first: Key,
    rest: Vec<Key>,
}

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
        let mut states = secrets
            .parse(|secret| {
                let key = zeroize::Zeroizing::new(decode(secret)?);
                if key.is_empty() {
                    return Err(Fault::Empty);
                }
                Ok(Key::new(algorithm, &key))
            })?
            .into_iter();
        let first = states.next().ok_or(InvalidSecret::new(0, Fault::None))?;
        let rest = states.collect();
        Ok(Self { first, rest })
    }

    /// Begins a code under the first key.
    #[inline]
    pub(crate) fn start(&self) -> State {
        self.first.start()
    }

    /// The place of the key under which one of the tags fits a message, which is handed over in pieces.
    pub(crate) fn find(
        &self,
        tags: &[Option<Tag>],
        message: impl Fn(&mut dyn FnMut(&[u8])),
    ) -> Option<usize> {
        let mut first = self.start();
        message(&mut |piece| first.update(piece));
        if first.code().is_among(tags) {
            return Some(0);
        }
        self.find_later(tags, message)
    }

    /// As [`find`](Self::find), for every key but the first.
    pub(crate) fn find_later(
        &self,
        tags: &[Option<Tag>],
        message: impl Fn(&mut dyn FnMut(&[u8])),
    ) -> Option<usize> {
        let found = self.rest.iter().position(|key| {
            let mut state = key.start();
            message(&mut |piece| state.update(piece));
            state.code().is_among(tags)
        });
        Some(found? + 1)
    }

    /// The code of a message under the first key.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.sign_by(0, message)
    }

    /// The code of a message under the key at this place, or under the first one.
    pub(crate) fn sign_by(&self, index: usize, message: &[u8]) -> Vec<u8> {
        let later = index.checked_sub(1).and_then(|later| self.rest.get(later));
        let mut state = later.unwrap_or(&self.first).start();
        state.update(message);
        state.code().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;

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
            let mut state = keys.start();
            state.update(b"what do ya want ");
            state.update(b"for nothing?");
            assert!(state.code().is_among(&[None, Some(tag(code))]));
        }
    }

    #[test]
    fn the_place_of_the_matching_secret_is_told() {
        let keys = Keys::raw(Algorithm::Sha256, &["new", "Jefe", "old"].into()).unwrap();
        let code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let found = keys.find(&[Some(tag(code))], |each| {
            each(b"what do ya want ");
            each(b"for nothing?");
        });
        assert_eq!(found, Some(1));
    }

    #[test]
    fn no_tag_fits_nothing() {
        let keys = Keys::raw(Algorithm::Sha256, &"Jefe".into()).unwrap();
        let code = keys.start().code();
        assert!(!code.is_among(&[]));
        assert!(!code.is_among(&[None, None]));
        // A tag of no bytes is not the prefix of anything.
        assert!(!code.is(&tag("")));
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

    /// A code that nothing was cut for.
    fn whole<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.chain_update(message).finalize().into_bytes().to_vec()
    }

    /// Where a block ends, and where its padding no longer fits, nothing is left to chance.
    #[test]
    fn a_code_is_what_the_library_makes_it_at_every_length_and_cut() {
        let bytes: Vec<u8> = (0..=255).collect();
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
            let library = |key: &[u8], message: &[u8]| match algorithm {
                Algorithm::Sha1 => whole::<Hmac<sha1::Sha1>>(key, message),
                Algorithm::Sha256 => whole::<Hmac<sha2::Sha256>>(key, message),
            };
            for key in [1, 20, 32, 55, 63, 64, 65, 127, 128, 129, 256] {
                let key = &bytes[..key];
                let keys = Keys::raw(algorithm, &key.into()).unwrap();
                for len in 0..200 {
                    let message = &bytes[..len];
                    assert_eq!(keys.sign(message), library(key, message), "{len}");
                }
            }
            let keys = Keys::raw(algorithm, &"Jefe".into()).unwrap();
            for len in 0..=192 {
                let message = &bytes[..len];
                let tag = Tag::of(&library(b"Jefe", message));
                for cut in 0..=len {
                    let (one, two) = message.split_at(cut);
                    let mut state = keys.start();
                    state.update(one);
                    state.update(two);
                    assert!(state.code().is(&tag), "{cut} of {len}");
                }
                // Pieces all of one size, so that a block fills in every way.
                for size in 1..=len {
                    let mut state = keys.start();
                    message.chunks(size).for_each(|piece| state.update(piece));
                    assert!(state.code().is(&tag), "{len} by {size}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_code_is_what_the_library_makes_it_however_its_message_is_cut(
            key in prop::collection::vec(any::<u8>(), 1..200),
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..150), 0..8),
        ) {
            for algorithm in [Algorithm::Sha1, Algorithm::Sha256] {
                let keys = Keys::raw(algorithm, &key.as_slice().into()).unwrap();
                let mut state = keys.start();
                for piece in &pieces {
                    state.update(piece);
                }
                let message = pieces.concat();
                let whole = match algorithm {
                    Algorithm::Sha1 => whole::<Hmac<sha1::Sha1>>(&key, &message),
                    Algorithm::Sha256 => whole::<Hmac<sha2::Sha256>>(&key, &message),
                };
                prop_assert!(state.code().is(&Tag::of(&whole)));
                prop_assert_eq!(keys.sign(&message), whole);
            }
        }

        #[test]
        fn equal_says_what_is_equal(one in "[ab]{0,4}", other in "[ab]{0,4}") {
            prop_assert_eq!(equal(one.as_bytes(), other.as_bytes()), one == other);
        }
    }

    /// Comparison happens in this file, or in the crates that verify public-key signatures.
    #[test]
    fn nothing_else_compares_in_constant_time_or_should() {
        let mut sources = Vec::new();
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("mac.rs") {
                    sources.push((std::fs::read_to_string(&path).unwrap(), path));
                }
            }
        }
        assert!(sources.len() > 60);
        for (source, path) in sources {
            for comparison in ["subtle", "ct_eq", "verify_slice", "as_slice() =="] {
                assert!(
                    !source.contains(comparison),
                    "{}: {comparison}",
                    path.display()
                );
            }
        }
    }
}
