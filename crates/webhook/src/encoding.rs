//! Strict decoding into arrays: one text for one value, no allocation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How a signature is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Encoding {
    /// Standard alphabet, padded, with no bits left over.
    Base64,
    /// Lower-case digits only.
    Hex,
    /// Digits of either case.
    HexAnyCase,
}

/// A MAC as a header carries it: at most 32 bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tag {
    bytes: [u8; 32],
    len: u8,
}

impl Tag {
    /// The tag of these bytes, the first 32 of them.
    pub(crate) fn of(code: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let len = code.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..len), code.get(..len)) {
            to.copy_from_slice(from);
        }
        // At most 32.
        let len = u8::try_from(len).unwrap_or_default();
        Self { bytes, len }
    }

    pub(crate) fn decode(text: &[u8], encoding: Encoding, len: usize) -> Option<Self> {
        let mut tag = Self::default();
        tag.fill(text, encoding, len).map(|()| tag)
    }

    /// As [`decode`](Self::decode), where it is; what it is otherwise is no tag.
    #[inline]
    pub(crate) fn fill(&mut self, text: &[u8], encoding: Encoding, len: usize) -> Option<()> {
        let bytes = self.bytes.get_mut(..len)?;
        self.len = u8::try_from(len).ok()?;
        match encoding {
            Encoding::Base64 => base64(text, bytes),
            Encoding::Hex => hex(text, bytes, &LOWER_CASE),
            Encoding::HexAnyCase => hex(text, bytes, &ANY_CASE),
        }
    }

    /// As a hash has it: words, whose first byte is the highest.
    #[inline]
    pub(crate) fn words(&self) -> [u32; 8] {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(self.bytes.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        words
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.into()
    }

    #[cfg(test)]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }
}

/// Fills `out` from text of exactly its length, in the one canonical form.
#[inline]
pub(crate) fn base64(text: &[u8], out: &mut [u8]) -> Option<()> {
    if text.len() != out.len().div_ceil(3) * 4 {
        return None;
    }
    // Of a length that the compiler knows there is no loop.
    match <&mut [u8; 32]>::try_from(&mut *out) {
        Ok(out) => fill_base64(text.first_chunk::<44>()?, out),
        Err(_) => fill_base64(text, out),
    }
}

fn fill_base64<T, O>(text: &T, out: &mut O) -> Option<()>
where
    T: AsRef<[u8]> + ?Sized,
    O: AsMut<[u8]> + ?Sized,
{
    let (text, out) = (text.as_ref(), out.as_mut());
    let mut all = 0;
    let mut group = |[one, two, three, four]: [u8; 4]| {
        let [first, second, third, fourth] = &BASE64;
        let bits = at(first, one) | at(second, two) | at(third, three) | at(fourth, four);
        all |= bits;
        bits
    };
    let (sixes, rest) = out.as_chunks_mut();
    let (text, last) = text.split_at_checked(sixes.len() * 8)?;
    for (six, eight) in sixes.iter_mut().zip(text.as_chunks().0) {
        let [one, two, three, four, after @ ..]: [u8; 8] = *eight;
        let bits = u64::from(group([one, two, three, four])) | u64::from(group(after)) << 24;
        let [bytes @ .., _, _] = bits.to_le_bytes();
        *six = bytes;
    }
    let (threes, rest) = rest.as_chunks_mut();
    let (fours, _) = last.as_chunks();
    for (three, four) in threes.iter_mut().zip(fours) {
        let [bytes @ .., _] = group(*four).to_le_bytes();
        *three = bytes;
    }
    // The last bytes do not fill the last character: it has no bits to spare that are set.
    let spare = match (rest, fours.get(threes.len())) {
        ([], None) => 0,
        ([only], Some(&[one, two, b'=', b'='])) => {
            let [high, spare, ..] = group([one, two, b'A', b'A']).to_le_bytes();
            *only = high;
            spare
        }
        ([first, second], Some(&[one, two, three, b'='])) => {
            let [high, low, spare, _] = group([one, two, three, b'A']).to_le_bytes();
            (*first, *second) = (high, low);
            spare
        }
        _ => return None,
    };
    // Whether all of it was sound is asked once: three bytes leave the upper bits alone.
    (all >> 24 == 0 && spare == 0).then_some(())
}

/// Fills `out` from text of exactly its length.
pub(crate) fn hex(text: &[u8], out: &mut [u8], digits: &Digits) -> Option<()> {
    if text.len() != out.len() * 2 {
        return None;
    }
    // Whether all of it was sound is asked once, at the end: no value has one of the upper bits.
    let mut all = 0;
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let (high, low) = (digits.value(*high), digits.value(*low));
        all |= high | low;
        *byte = high << 4 | low;
    }
    (all < 16).then_some(())
}

/// The values of the characters that count as digits.
pub(crate) struct Digits([u8; 256]);

impl Digits {
    /// Each character's value is its place in these alphabets.
    #[allow(
        clippy::indexing_slicing,
        reason = "the compiler checks it as it evaluates it"
    )]
    const fn new(alphabets: &[&str]) -> Self {
        let mut values = [u8::MAX; 256];
        let mut alphabet = 0;
        while alphabet < alphabets.len() {
            let characters = alphabets[alphabet].as_bytes();
            let mut value = 0;
            while (value as usize) < characters.len() {
                values[characters[value as usize] as usize] = value;
                value += 1;
            }
            alphabet += 1;
        }
        Self(values)
    }

    fn value(&self, character: u8) -> u8 {
        // There is one for every character.
        self.0
            .get(usize::from(character))
            .copied()
            .unwrap_or(u8::MAX)
    }
}

/// Digits of either case.
pub(crate) static ANY_CASE: Digits = Digits::new(&["0123456789abcdef", "0123456789ABCDEF"]);
/// Lower-case digits only.
pub(crate) static LOWER_CASE: Digits = Digits::new(&["0123456789abcdef"]);
/// The values of the standard alphabet, where they stand in the three bytes of a group of four.
static BASE64: [[u32; 256]; 4] = {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let Digits(values) = Digits::new(&[alphabet]);
    [
        shifted(&values, 18),
        shifted(&values, 12),
        shifted(&values, 6),
        shifted(&values, 0),
    ]
};

#[allow(
    clippy::indexing_slicing,
    reason = "the compiler checks it as it evaluates it"
)]
const fn shifted(values: &[u8; 256], by: u32) -> [u32; 256] {
    let mut shifted = [u32::MAX; 256];
    let mut character = 0;
    while character < values.len() {
        if values[character] < 64 {
            // The first of the three bytes is the lowest.
            shifted[character] = ((values[character] as u32) << by).swap_bytes() >> 8;
        }
        character += 1;
    }
    shifted
}

fn at(values: &[u32; 256], character: u8) -> u32 {
    // There is one for every character.
    values
        .get(usize::from(character))
        .copied()
        .unwrap_or(u32::MAX)
}

/// The value of one digit of either case.
pub(crate) fn any_digit(character: u8) -> Option<u8> {
    Some(ANY_CASE.value(character)).filter(|value| *value < 16)
}

/// Writes bytes in an encoding, for the side that signs.
pub(crate) fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Base64 => STANDARD.encode(bytes),
        Encoding::Hex | Encoding::HexAnyCase => bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tag has no `==`, which would stop at the first difference: were there one, this would not compile.
    const _: fn() = || {
        trait Incomparable<Why> {
            fn holds() {}
        }
        struct Comparable;
        impl<T> Incomparable<()> for T {}
        impl<T: PartialEq> Incomparable<Comparable> for T {}
        let _ = <Tag as Incomparable<_>>::holds;
    };

    const ALL: [Encoding; 3] = [Encoding::Base64, Encoding::Hex, Encoding::HexAnyCase];

    #[test]
    fn base64_has_one_form() {
        let decode = |text: &str| Tag::decode(text.as_bytes(), Encoding::Base64, 1).is_some();
        assert!(decode("AA=="));
        assert!(!decode("AB=="), "bits left over");
        assert!(!decode("AA"), "no padding");
        assert!(!decode("AA==AA=="), "text after the padding");
        assert!(!decode("AA= "));
        assert!(!decode("-_=="));
        assert!(!decode("A==="));
        let two = |text: &str| Tag::decode(text.as_bytes(), Encoding::Base64, 2).is_some();
        assert!(two("AAE="));
        assert!(!two("AAF="), "bits left over");
        let three = |text: &str| Tag::decode(text.as_bytes(), Encoding::Base64, 3).is_some();
        assert!(three("AAAA"));
        assert!(!three("AAA="));
    }

    #[test]
    fn upper_case_is_hex_only_where_the_sender_takes_it() {
        assert!(Tag::decode(b"0a", Encoding::Hex, 1).is_some());
        assert!(Tag::decode(b"0A", Encoding::Hex, 1).is_none());
        assert!(Tag::decode(b"0A", Encoding::HexAnyCase, 1).is_some());
        assert!(Tag::decode(b"+1", Encoding::HexAnyCase, 1).is_none());
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes in prop::collection::vec(any::<u8>(), 0..=32)) {
            for encoding in ALL {
                let text = encode(&bytes, encoding);
                let tag = Tag::decode(text.as_bytes(), encoding, bytes.len()).unwrap();
                prop_assert_eq!(tag.as_slice(), &bytes[..]);
            }
        }

        #[test]
        fn base64_is_what_the_library_takes_it_for(
            bytes in prop::collection::vec(any::<u8>(), 1..=32),
            at in any::<prop::sample::Index>(),
            other in prop_oneof![any::<u8>(), prop::sample::select(b"AQgw/+=-_ ".to_vec())],
        ) {
            let mut text = encode(&bytes, Encoding::Base64).into_bytes();
            let at = at.index(text.len());
            text[at] = other;
            let ours = Tag::decode(&text, Encoding::Base64, bytes.len());
            let theirs = STANDARD.decode(&text).ok().filter(|theirs| theirs.len() == bytes.len());
            prop_assert_eq!(ours.map(|tag| tag.as_slice().to_vec()), theirs);
        }

        #[test]
        fn nothing_else_does(text in prop::collection::vec(any::<u8>(), 0..80), len in 0_usize..40) {
            for encoding in ALL {
                if let Some(tag) = Tag::decode(&text, encoding, len) {
                    let canonical = encode(tag.as_slice(), encoding);
                    prop_assert!(canonical.as_bytes().eq_ignore_ascii_case(&text));
                }
            }
        }
    }
}
