use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::Utf8Error;
use std::sync::Arc;

use arrayvec::ArrayString;

/// Longer than the names that senders give: 36 bytes of a UUID, 38 of `PayPal`'s events.
const SHORT: usize = 48;

/// A sender's name for something: an event, an account, a topic.
///
/// One of up to 48 bytes is kept where it stands, without an allocation; a longer one is shared by its
/// clones.
#[derive(Clone)]
pub struct Name(Text);

#[derive(Clone)]
enum Text {
    Short(ArrayString<SHORT>),
    Long(Arc<str>),
}

impl Name {
    /// The name that these bytes spell.
    ///
    /// # Errors
    /// When they are not UTF-8.
    #[inline]
    pub fn from_utf8(name: &[u8]) -> Result<Self, Utf8Error> {
        // Zeros end no character that is not whole, and what is as long as this is checked in few steps.
        let mut padded = [0; SHORT];
        let Some(start) = padded.get_mut(..name.len()) else {
            return str::from_utf8(name).map(Self::from);
        };
        start.copy_from_slice(name);
        let mut short = ArrayString::from_byte_string(&padded)?;
        short.truncate(name.len());
        Ok(Self(Text::Short(short)))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Short(name) => name,
            Text::Long(name) => name,
        }
    }
}

impl From<&str> for Name {
    #[inline]
    fn from(name: &str) -> Self {
        let short = ArrayString::from(name).map(Text::Short);
        Self(short.unwrap_or_else(|_| Text::Long(name.into())))
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

/// In digits.
impl From<u64> for Name {
    fn from(number: u64) -> Self {
        let mut digits = ArrayString::new();
        // There are twenty at most.
        let _ = write!(digits, "{number}");
        Self(Text::Short(digits))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        str::hash(self, state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_its_digits() {
        assert_eq!(Name::from(17).as_str(), "17");
        assert_eq!(Name::from(u64::MAX).as_str(), u64::MAX.to_string());
    }

    #[test]
    fn only_a_name_that_does_not_fit_is_shared() {
        let fits = |len: usize| matches!(Name::from("x".repeat(len)).0, Text::Short(_));
        assert!(fits(0));
        assert!(fits(48));
        assert!(!fits(49));
    }

    #[test]
    fn a_character_that_breaks_off_is_no_name() {
        for len in [1, 47, 48, 49, 60] {
            let mut name = "x".repeat(len).into_bytes();
            name.pop();
            name.push("\u{e9}".as_bytes()[0]);
            assert!(Name::from_utf8(&name).is_err(), "{len}");
        }
    }

    proptest! {
        #[test]
        fn bytes_are_a_name_when_they_are_text(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "\\PC{0,40}".prop_map(String::into_bytes),
            ],
        ) {
            let name = Name::from_utf8(&bytes);
            let text = str::from_utf8(&bytes);
            prop_assert_eq!(name.as_deref().ok(), text.ok());
            if let (Ok(name), Ok(text)) = (name, text) {
                prop_assert_eq!(&name, &Name::from(text));
            }
        }

        #[test]
        fn names_are_equal_as_their_texts_are(one in "[ab]{46,50}", other in "[ab]{46,50}") {
            let (name, same) = (Name::from(one.as_str()), Name::from(one.clone()));
            prop_assert_eq!(&name, &same);
            prop_assert_eq!(name == Name::from(other.as_str()), one == other);
        }
    }
}
