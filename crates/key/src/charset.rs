use std::fmt;

/// The ASCII characters that a key may consist of.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Charset(u128);

impl Charset {
    /// No character: to begin from with [`with`](Self::with).
    pub const EMPTY: Self = Self(0);

    /// Visible ASCII without the space: `!` to `~`.
    pub const VISIBLE: Self = Self::range(0x21, 0x7e);

    /// Visible ASCII and the space: what an RFC 8941 string may hold.
    pub const PRINTABLE: Self = Self::range(0x20, 0x7e);

    /// Letters, digits, `-` and `_`: the alphabet of keys that this crate makes.
    pub const URL_SAFE: Self = Self::range(b'0', b'9')
        .union(Self::range(b'A', b'Z'))
        .union(Self::range(b'a', b'z'))
        .union(Self::range(b'-', b'-'))
        .union(Self::range(b'_', b'_'));

    /// The characters of `self` and this one too; anything but printable ASCII changes nothing.
    #[must_use]
    pub const fn with(self, character: char) -> Self {
        match character {
            ' '..='~' => Self(self.0 | 1 << character as u32),
            _ => self,
        }
    }

    /// The characters of `self` without this one.
    #[must_use]
    pub const fn without(self, character: char) -> Self {
        match character {
            ' '..='~' => Self(self.0 & !(1 << character as u32)),
            _ => self,
        }
    }

    /// Is this byte one of them?
    #[must_use]
    pub const fn contains(self, byte: u8) -> bool {
        byte.is_ascii() && self.0 >> byte & 1 == 1
    }

    pub(crate) const fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The printable characters of a text.
    pub(crate) fn of(text: &[u8]) -> Self {
        let add = |set: Self, &byte: &u8| set.with(char::from(byte));
        text.iter().fold(Self::EMPTY, add)
    }

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn range(first: u8, last: u8) -> Self {
        Self((u128::MAX >> (127 - last)) & (u128::MAX << first))
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = (b' '..=b'~')
            .filter(|&byte| self.contains(byte))
            .map(char::from)
            .collect();
        f.debug_tuple("Charset").field(&text).finish()
    }
}
