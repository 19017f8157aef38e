//! Members of a JSON object, read no further than needed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A text or a number; anything else is [`Scalar::Other`].
#[derive(Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Number(u64),
    Other,
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    /// As a name: a text that is not empty, or a number in digits.
    pub(crate) fn into_name(self) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text.into_owned()),
            Self::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The top-level members of these names, each the first of its name.
///
/// Reading stops once all are found, so that an id which stands first costs the same in a body of
/// any size. A body that is no JSON object has no members; one that breaks off keeps those before.
pub(crate) fn members<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
) -> [Option<Scalar<'a>>; N] {
    let mut found = [const { None }; N];
    let visitor = Members {
        names,
        found: &mut found,
    };
    // What was found stands in `found`; stopping early is reported as an error of no interest.
    let _ = serde_json::Deserializer::from_slice(body).deserialize_map(visitor);
    found
}

struct Members<'n, 'f, 'a, const N: usize> {
    names: [&'n str; N],
    found: &'f mut [Option<Scalar<'a>>; N],
}

impl<'a, const N: usize> Visitor<'a> for Members<'_, '_, 'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut missing = N;
        while missing > 0 {
            let Some(key) = map.next_key::<Text<'a>>()? else {
                break;
            };
            let place = self.names.iter().position(|name| *name == key.0);
            match place.and_then(|place| self.found.get_mut(place)) {
                Some(slot @ None) => {
                    *slot = Some(map.next_value()?);
                    missing -= 1;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'a> Visitor<'a> for ScalarVisitor {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'a>>(self, mut seq: A) -> Result<Scalar<'a>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Scalar<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(body: &str) -> Option<String> {
        let [id] = members(body.as_bytes(), ["id"]);
        id?.into_name()
    }

    #[test]
    fn a_member_is_found_wherever_it_stands() {
        assert_eq!(id(r#"{"id":"a"}"#).as_deref(), Some("a"));
        assert_eq!(
            id(r#"{"x":[{"id":"no"}],"y":{"id":"no"},"id":"a"}"#).as_deref(),
            Some("a")
        );
        assert_eq!(id(r#"{"id":17}"#).as_deref(), Some("17"));
        assert_eq!(id(r#"{"\u0069d":"\u0061"}"#).as_deref(), Some("a"));
    }

    #[test]
    fn reading_stops_once_all_is_found() {
        assert_eq!(id(r#"{"id":"a", and then no JSON"#).as_deref(), Some("a"));
    }

    #[test]
    fn the_first_of_a_name_counts() {
        let [id, other] = members(br#"{"id":"a","id":"b","z":1}"#, ["id", "z"]);
        assert_eq!(id.unwrap().as_text(), Some("a"));
        assert_eq!(other, Some(Scalar::Number(1)));
    }

    #[test]
    fn what_is_no_name_is_none() {
        for body in [
            "",
            "[]",
            "\"id\"",
            "{",
            r#"{"id":""}"#,
            r#"{"id":null}"#,
            r#"{"id":{}}"#,
            r#"{"id":-1}"#,
            r#"{"id":[1]}"#,
            "{\"id\":\"\u{fffd}",
        ] {
            assert_eq!(id(body), None, "{body}");
        }
        let [id] = members(b"{\"id\":\"\xff\"}", ["id"]);
        assert!(id.is_none());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{{\"x\":{}1", "[".repeat(1_000_000));
        assert_eq!(id(&deep), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = members(&body, ["id", "type"]);
        }
    }
}
