//! HMAC (RFC 2104) over the compression functions of SHA-1 and SHA-256 (FIPS 180-4).
//!
//! The crate `hmac` is generic over hashes that wipe themselves, buffers and all, whenever they are cloned,
//! finished or dropped, which a small delivery feels. Here a state is its words and one block, and wiped is
//! what tells of the key.

use std::slice::from_ref;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::{Algorithm, equal};
use crate::encoding::Tag;

/// What both hashes take in at a time, in bytes.
const BLOCK: usize = 64;

/// The state of either hash; SHA-1 leaves the last three alone.
type Words = [u32; 8];

impl Algorithm {
    /// What a hash begins with: FIPS 180-4 §5.3.1 and §5.3.3.
    #[rustfmt::skip]
    const fn initial(self) -> Words {
        match self {
            Self::Sha1 => [
                0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0, 0, 0, 0,
            ],
            Self::Sha256 => [
                0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
                0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
            ],
        }
    }

    #[inline]
    fn compress(self, words: &mut Words, blocks: &[[u8; BLOCK]]) {
        match self {
            Self::Sha1 => {
                if let Some(words) = words.first_chunk_mut() {
                    sha1::block_api::compress(words, blocks);
                }
            }
            Self::Sha256 => sha2::block_api::compress256(words, blocks),
        }
    }
}

/// A key that an HMAC has taken in, ready to go on from.
pub(super) struct Key {
    algorithm: Algorithm,
    inner: Words,
    outer: Words,
}

impl Key {
    /// Takes in a key of any length; one longer than a block counts as its hash.
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; BLOCK]);
        // Written and changed where it is wiped.
        if let Some(start) = block.get_mut(..key.len()) {
            start.copy_from_slice(key);
        } else if algorithm == Algorithm::Sha1 {
            if let Some(hash) = block.first_chunk_mut::<20>() {
                Sha1::new_with_prefix(key).finalize_into(hash.into());
            }
        } else if let Some(hash) = block.first_chunk_mut::<32>() {
            Sha256::new_with_prefix(key).finalize_into(hash.into());
        }
        let padded_with = |pad: u8| {
            let mut block = block.clone();
            block.iter_mut().for_each(|byte| *byte ^= pad);
            let mut words = algorithm.initial();
            algorithm.compress(&mut words, from_ref(&*block));
            words
        };
        Self {
            algorithm,
            inner: padded_with(0x36),
            outer: padded_with(0x5c),
        }
    }

    #[inline]
    pub(super) const fn start(&self) -> State {
        State {
            algorithm: self.algorithm,
            words: self.inner,
            outer: self.outer,
            block: [0; BLOCK],
            len: BLOCK,
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// An HMAC that has taken in its key, and perhaps some of the message.
pub(crate) struct State {
    algorithm: Algorithm,
    words: Words,
    outer: Words,
    /// What does not fill a block yet; the rest of it is zero.
    block: [u8; BLOCK],
    /// How much was taken in, the key's block as well, in bytes.
    len: usize,
}

impl State {
    #[inline]
    pub(crate) fn update(&mut self, piece: &[u8]) {
        match self.free().split_at_mut_checked(piece.len()) {
            Some((place, [_, ..])) => {
                match (piece, place) {
                    // A separator is written down with one store.
                    ([byte], [place]) => *place = *byte,
                    (piece, place) => place.copy_from_slice(piece),
                }
                self.len += piece.len();
            }
            _ => self.digest(piece),
        }
    }

    /// What is free of the block: never nothing.
    #[inline]
    const fn free(&mut self) -> &mut [u8] {
        let (_, free) = self.block.split_at_mut(self.len % BLOCK);
        free
    }

    /// Takes in a piece that fills the block.
    fn digest(&mut self, piece: &[u8]) {
        let mut rest = piece;
        let free = self.free();
        if free.len() < BLOCK {
            let (first, after) = piece.split_at(free.len());
            free.copy_from_slice(first);
            self.algorithm
                .compress(&mut self.words, from_ref(&self.block));
            rest = after;
        }
        let (blocks, rest) = rest.as_chunks();
        self.block = [0; BLOCK];
        let (start, _) = self.block.split_at_mut(rest.len());
        start.copy_from_slice(rest);
        self.len += piece.len();
        if !blocks.is_empty() {
            self.algorithm.compress(&mut self.words, blocks);
        }
    }

    /// The code of the message taken in; what is left of this is good for nothing.
    #[inline]
    pub(crate) fn code(&mut self) -> Code {
        let algorithm = self.algorithm;
        let bits = (self.len as u64 * 8).to_be_bytes();
        let mut room = 0;
        if let [end, zeros @ ..] = self.free() {
            *end = 0x80;
            room = zeros.len();
        }
        if room < bits.len() {
            algorithm.compress(&mut self.words, from_ref(&self.block));
            self.block = [0; BLOCK];
        }
        if let Some(length) = self.block.last_chunk_mut() {
            *length = bits;
        }
        algorithm.compress(&mut self.words, from_ref(&self.block));

        let block = match algorithm {
            Algorithm::Sha1 => last_block::<5>(&self.words, (64 + 20) * 8),
            Algorithm::Sha256 => last_block::<8>(&self.words, (64 + 32) * 8),
        };
        self.words = self.outer;
        algorithm.compress(&mut self.words, &[block]);
        Code {
            words: self.words,
            len: algorithm.len(),
        }
    }
}

/// The block that the outer hash ends with: a hash of so many words, and what pads it.
///
/// The processor waits for what was written in parts and is read in whole: this is written in whole.
#[inline]
fn last_block<const WORDS: usize>(hash: &Words, bits: u32) -> [u8; BLOCK] {
    let mut words = [0; BLOCK / 4];
    let (start, rest) = words.split_at_mut(WORDS);
    let (hash, _) = hash.split_at(WORDS);
    start.copy_from_slice(hash);
    if let [end, .., length] = rest {
        (*end, *length) = (1 << 31, bits);
    }
    bytes(&words)
}

#[inline]
fn bytes<const WORDS: usize, const BYTES: usize>(words: &[u32; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *to = word.to_be_bytes();
    }
    bytes
}

impl Drop for State {
    #[inline]
    fn drop(&mut self) {
        self.words.zeroize();
        self.outer.zeroize();
    }
}

/// What an HMAC comes to, to be compared in constant time alone.
pub(crate) struct Code {
    words: Words,
    len: usize,
}

impl Code {
    /// Whether this is what a sender sent.
    #[inline]
    pub(crate) fn is(&self, tag: &Tag) -> bool {
        equal(&self.words, &tag.words()) && self.len == tag.len()
    }

    /// Whether this is one of what a sender sent.
    pub(crate) fn is_among(&self, tags: &[Option<Tag>]) -> bool {
        tags.iter().flatten().any(|tag| self.is(tag))
    }

    /// For the side that signs.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut code = bytes::<8, 32>(&self.words).to_vec();
        code.truncate(self.len);
        code
    }
}
