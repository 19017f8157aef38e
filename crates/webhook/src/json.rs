//! Members of a JSON object, read no further than needed.

use std::borrow::Cow;

use buttress_event::Name;

use crate::head::decimal;

/// A text or a number; anything else is [`Scalar::Other`].
#[derive(Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Number(u64),
    Other,
    Text(Cow<'a, str>),
}

impl<'a> Scalar<'a> {
    fn parse(value: &'a [u8]) -> Self {
        match value {
            [b'"', ..] => text(value).map_or(Self::Other, Self::Text),
            _ => decimal(value).map_or(Self::Other, Self::Number),
        }
    }

    /// As a name: a text that is not empty, or a number in digits.
    pub(crate) fn into_name(self) -> Option<Name> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(Name::from(&*text)),
            Self::Number(number) => Some(number.into()),
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
/// Reading stops once all are found, so that an id which stands first costs the same in a body of any
/// size, and nothing is allocated unless a text has escapes. It finds members and does not judge: a body
/// that is no JSON object has none, and one that breaks off keeps those before.
pub(crate) fn members<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
) -> [Option<Scalar<'a>>; N] {
    let mut found = [const { None }; N];
    let mut rest = body.trim_ascii_start();
    if rest.first() != Some(&b'{') {
        return found;
    }
    while found.iter().any(Option::is_none) {
        // Past the brace, or past the comma.
        let Some((key, value, after)) = rest.get(1..).and_then(member) else {
            break;
        };
        rest = after;
        let Some(key) = text(key) else { break };
        let place = names.iter().position(|name| *name == key);
        if let Some(slot @ None) = place.and_then(|place| found.get_mut(place)) {
            *slot = Some(Scalar::parse(value));
        }
        if rest.first() != Some(&b',') {
            break;
        }
    }
    found
}

/// A key, its value, and what follows them.
fn member(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let (key, rest) = text.split_at_checked(string_len(text)?)?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    let rest = rest.trim_ascii_start();
    let (value, rest) = rest.split_at_checked(value_len(rest)?)?;
    Some((key, value, rest.trim_ascii_start()))
}

/// The length of the string that begins here, quotes included.
fn string_len(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut escaped = false;
    for (place, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(place + 1),
            _ => {}
        }
    }
    None
}

/// The length of the value that begins here.
fn value_len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_len(text),
        b'{' | b'[' => nested_len(text),
        _ => text
            .iter()
            .position(|byte| b",}]".contains(byte) || byte.is_ascii_whitespace()),
    }
}

/// The length of the object or array that begins here.
fn nested_len(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut place = 0;
    loop {
        match text.get(place)? {
            b'"' => {
                place += string_len(text.get(place..)?)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        place += 1;
        if depth == 0 {
            return Some(place);
        }
    }
}

/// The text of a string, borrowed unless it has escapes.
fn text(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return serde_json::from_slice(quoted).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_i64..1_000_000_000_000).prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            "[a\"\\\\{}\\[\\],: \u{e9}\n]{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn id(body: &str) -> Option<Name> {
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
        assert_eq!(id, Some(Scalar::Other));
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
            let object = [b"{\"id\":", &body[..]].concat();
            let _ = members(&object, ["id", "type"]);
        }

        #[test]
        fn members_are_those_that_a_parser_finds(
            object in prop::collection::btree_map("[a-c\"\\\\]{1,2}", value(), 0..5),
            pretty: bool,
        ) {
            let value = Value::Object(object.into_iter().collect());
            let body = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            for name in ["a", "b", "\"", "\\"] {
                let [found] = members(body.as_bytes(), [name]);
                let expected = value.get(name).map(|value| match value {
                    Value::String(text) => Scalar::Text(text.into()),
                    Value::Number(number) => number.as_u64().map_or(Scalar::Other, Scalar::Number),
                    _ => Scalar::Other,
                });
                prop_assert_eq!(found, expected, "{}", body);
            }
        }
    }
}
