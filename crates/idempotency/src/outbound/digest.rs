use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A hash of 64 bits under a random secret, by folded multiplication.
///
/// It tells mistakes apart and does not withstand an attacker who can see it; nobody can, for it
/// never leaves the layer. In exchange it costs an instruction or two a byte.
#[derive(Clone)]
pub(crate) struct Digest([u64; 2]);

impl Digest {
    /// One with a secret of its own, from the entropy of the standard library's maps.
    pub(crate) fn random() -> Self {
        let entropy = RandomState::new();
        Self([entropy.hash_one(0_u8), entropy.hash_one(1_u8)])
    }

    /// The hash of fields, each with its length, so that no two lists of fields look alike.
    #[inline]
    pub(crate) fn of<const N: usize>(&self, fields: [&[u8]; N]) -> u64 {
        let fold = |sum, field| self.field(sum, field);
        fields.into_iter().fold(self.0[0], fold)
    }

    #[inline]
    fn field(&self, sum: u64, field: &[u8]) -> u64 {
        let (words, rest) = field.as_chunks::<16>();
        let mut tail = [0; 16];
        if let Some(tail) = tail.get_mut(..rest.len()) {
            tail.copy_from_slice(rest);
        }
        let sum = words.iter().fold(sum, |sum, word| self.word(sum, word));
        let sum = self.word(sum, &tail);
        folded(sum ^ field.len() as u64, self.0[1])
    }

    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the halves are what is wanted"
    )]
    fn word(&self, sum: u64, word: &[u8; 16]) -> u64 {
        let word = u128::from_le_bytes(*word);
        folded(word as u64 ^ sum, (word >> 64) as u64 ^ self.0[1])
    }
}

/// Both halves of a product, so that each bit of either factor reaches all bits.
#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the halves are what is wanted"
)]
const fn folded(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Passes a hash through: the map's keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_length_and_border_counts() {
        let digest = Digest::random();
        let text: Vec<u8> = (1..=64).collect();
        let mut seen = HashSet::new();
        for length in 0..=text.len() {
            assert!(seen.insert(digest.of([&text[..length]])), "length {length}");
            assert!(
                seen.insert(digest.of([&text[..length], &text[length..]])),
                "border {length}"
            );
        }
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut other = text.clone();
                other[at] ^= 1 << bit;
                assert!(seen.insert(digest.of([&other])), "bit {bit} of byte {at}");
            }
        }
        assert!(seen.insert(digest.of([&[0]])));
        assert!(seen.insert(digest.of([&[0, 0]])));
    }

    #[test]
    fn another_secret_gives_another_hash() {
        assert_ne!(Digest::random().of([b"a"]), Digest::random().of([b"a"]));
    }

    #[test]
    fn hashes_of_alike_texts_spread_over_all_bits() {
        let digest = Digest::random();
        let hashes: Vec<u64> = (0_u32..4096)
            .map(|n| digest.of([&n.to_le_bytes()]))
            .collect();
        for bit in 0..64 {
            let ones = hashes.iter().filter(|hash| *hash >> bit & 1 == 1).count();
            // Half of 4096, give or take eight standard deviations.
            assert!((1792..=2304).contains(&ones), "bit {bit}: {ones}");
        }
    }
}
