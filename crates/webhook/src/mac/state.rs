//! A code on its way.

use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, EagerHash, FixedOutputCore, UpdateCore};
use hmac::digest::{KeyInit, Output};
use sha1::Sha1;
use sha2::Sha256;

use super::{Algorithm, equal};
use crate::encoding::Tag;
use crate::secret::Fault;

/// A key that an HMAC has taken in, ready to go on from.
pub(super) enum Key {
    Sha1(HmacCore<Sha1>),
    Sha256(HmacCore<Sha256>),
}

impl Key {
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, Fault> {
        let keyed = match algorithm {
            Algorithm::Sha1 => HmacCore::new_from_slice(key).map(Self::Sha1),
            Algorithm::Sha256 => HmacCore::new_from_slice(key).map(Self::Sha256),
        };
        // HMAC takes keys of any length; an empty one is refused where secrets are parsed.
        keyed.map_err(|_| Fault::Length("a length that HMAC takes"))
    }

    #[inline]
    pub(super) fn start(&self) -> State {
        match self {
            Self::Sha1(key) => State::Sha1(Running::new(key)),
            Self::Sha256(key) => State::Sha256(Running::new(key)),
        }
    }
}

/// An HMAC that has taken in its key, and perhaps some of the message.
pub(crate) enum State {
    Sha1(Running<Sha1>),
    Sha256(Running<Sha256>),
}

impl State {
    #[inline]
    pub(crate) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha1(running) => running.update(piece),
            Self::Sha256(running) => running.update(piece),
        }
    }

    /// The code of the message taken in; what is left of this is good for nothing.
    #[inline]
    pub(crate) fn code(&mut self) -> Code {
        Code(match self {
            Self::Sha1(running) => Tag::of(&running.finish()),
            Self::Sha256(running) => Tag::of(&running.finish()),
        })
    }
}

/// What an HMAC comes to, to be compared in constant time alone.
pub(crate) struct Code(Tag);

impl Code {
    /// Whether this is what a sender sent.
    #[inline]
    pub(crate) fn is(&self, tag: &Tag) -> bool {
        equal(self.0.as_slice(), tag.as_slice())
    }

    /// Whether this is one of what a sender sent.
    pub(crate) fn is_among(&self, tags: &[Option<Tag>]) -> bool {
        tags.iter().flatten().any(|tag| self.is(tag))
    }

    /// For the side that signs.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.0.as_slice().to_vec()
    }
}

/// [`hmac::Hmac`] in its two parts: it would be moved, buffer and all, to be finished.
pub(crate) struct Running<D: EagerHash> {
    core: HmacCore<D>,
    buffer: Buffer<HmacCore<D>>,
}

impl<D: EagerHash> Running<D> {
    #[inline]
    fn new(key: &HmacCore<D>) -> Self {
        Self {
            core: key.clone(),
            buffer: Buffer::<HmacCore<D>>::default(),
        }
    }

    #[inline]
    fn update(&mut self, piece: &[u8]) {
        if piece.len() < self.buffer.remaining() {
            // What fills no block is written down: a separator with one store.
            let blocks = |_: &[_]| ();
            match piece {
                [byte] => self.buffer.digest_blocks(&[*byte], blocks),
                _ => self.buffer.digest_blocks(piece, blocks),
            }
        } else {
            self.digest(piece);
        }
    }

    fn digest(&mut self, piece: &[u8]) {
        let Self { core, buffer } = self;
        buffer.digest_blocks(piece, |blocks| core.update_blocks(blocks));
    }

    #[inline]
    fn finish(&mut self) -> Output<HmacCore<D>> {
        let mut code = Output::<HmacCore<D>>::default();
        self.core.finalize_fixed_core(&mut self.buffer, &mut code);
        code
    }
}
