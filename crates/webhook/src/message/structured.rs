//! Structured fields (RFC 9651), as far as signatures use them.

/// Reads a field from its beginning.
pub(super) struct Parser<'a> {
    rest: &'a [u8],
}

/// A value without parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Bare {
    Bytes(Vec<u8>),
    Integer(i64),
    /// Booleans, decimals, tokens, dates and display strings: well formed, and of no use here.
    Other,
    Text(String),
}

/// Names and values after `;`.
pub(super) type Parameters = Vec<(String, Bare)>;

/// A member of a dictionary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Member {
    Item(Bare),
    List(Vec<(Bare, Parameters)>, Parameters),
}

/// A dictionary, whose lines count as one. `None` if it is malformed or names a member twice.
///
/// The standard lets the last of two members win; what was signed must not depend on that.
pub(super) fn dictionary(text: &[u8]) -> Option<Vec<(String, Member)>> {
    let mut parser = Parser {
        rest: text.trim_ascii(),
    };
    let mut members = Vec::<(String, Member)>::new();
    while !parser.rest.is_empty() {
        let key = parser.key()?;
        let member = if parser.take(b'=') {
            parser.member()?
        } else {
            parser.parameters()?;
            Member::Item(Bare::Other)
        };
        if members.iter().any(|(known, _)| *known == key) {
            return None;
        }
        members.push((key, member));
        parser.skip(b" \t");
        if parser.rest.is_empty() {
            break;
        }
        if !parser.take(b',') {
            return None;
        }
        parser.skip(b" \t");
        if parser.rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

impl Parser<'_> {
    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip(&mut self, any: &[u8]) {
        while let Some((first, rest)) = self.rest.split_first() {
            if !any.contains(first) {
                break;
            }
            self.rest = rest;
        }
    }

    /// The longest run of such bytes.
    fn run(&mut self, fits: impl Fn(u8) -> bool) -> &str {
        let end = self.rest.iter().position(|byte| !fits(*byte));
        let (run, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        // Every run asked for is ASCII.
        std::str::from_utf8(run).unwrap_or_default()
    }

    fn key(&mut self) -> Option<String> {
        let starts = |byte: u8| byte.is_ascii_lowercase() || byte == b'*';
        if !self.rest.first().copied().is_some_and(starts) {
            return None;
        }
        let fits = |byte: u8| starts(byte) || byte.is_ascii_digit() || b"_-.".contains(&byte);
        Some(self.run(fits).to_owned())
    }

    fn member(&mut self) -> Option<Member> {
        if !self.take(b'(') {
            let bare = self.bare()?;
            self.parameters()?;
            return Some(Member::Item(bare));
        }
        let mut items = Vec::new();
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Some(Member::List(items, self.parameters()?));
            }
            let bare = self.bare()?;
            items.push((bare, self.parameters()?));
            if !matches!(self.rest.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters = Parameters::new();
        while self.take(b';') {
            self.skip(b" ");
            let key = self.key()?;
            let value = if self.take(b'=') {
                self.bare()?
            } else {
                Bare::Other
            };
            if parameters.iter().any(|(known, _)| *known == key) {
                return None;
            }
            parameters.push((key, value));
        }
        Some(parameters)
    }

    fn bare(&mut self) -> Option<Bare> {
        match *self.rest.first()? {
            b'"' => self.text().map(Bare::Text),
            b':' => self.bytes().map(Bare::Bytes),
            b'-' | b'0'..=b'9' => self.number(),
            b'?' => {
                self.take(b'?');
                (self.take(b'0') || self.take(b'1')).then_some(Bare::Other)
            }
            byte if byte.is_ascii_alphabetic() || byte == b'*' => {
                self.run(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
                });
                Some(Bare::Other)
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        self.take(b'"');
        let mut text = String::new();
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match *first {
                b'"' => return Some(text),
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    if !matches!(escaped, b'"' | b'\\') {
                        return None;
                    }
                    text.push(char::from(*escaped));
                }
                byte @ 0x20..=0x7e => text.push(char::from(byte)),
                _ => return None,
            }
        }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;

        self.take(b':');
        let text = self.run(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        let bytes = STANDARD.decode(text).ok()?;
        self.take(b':').then_some(bytes)
    }

    fn number(&mut self) -> Option<Bare> {
        let negative = self.take(b'-');
        let digits = self.run(|byte| byte.is_ascii_digit());
        if !(1..=15).contains(&digits.len()) {
            return None;
        }
        let number: i64 = digits.parse().ok()?;
        if self.take(b'.') {
            let digits = self.run(|byte| byte.is_ascii_digit());
            return (1..=3).contains(&digits.len()).then_some(Bare::Other);
        }
        Some(Bare::Integer(if negative { -number } else { number }))
    }
}

/// A text as it is written in a field.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dictionary_of_all_kinds_is_read() {
        let members = dictionary(
            b" a=(\"x\" \"y\";p=1);q=\"z\" ,\tb=:AAE=:,c;d=?1, e=tok/en;f=-1.5, g=-12, h=()",
        )
        .unwrap();
        let keys: Vec<_> = members.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "c", "e", "g", "h"]);
        let text = |text: &str| Bare::Text(text.to_owned());
        assert_eq!(
            members[0].1,
            Member::List(
                vec![
                    (text("x"), vec![]),
                    (text("y"), vec![("p".to_owned(), Bare::Integer(1))]),
                ],
                vec![("q".to_owned(), text("z"))],
            )
        );
        assert_eq!(members[1].1, Member::Item(Bare::Bytes(vec![0, 1])));
        assert_eq!(members[4].1, Member::Item(Bare::Integer(-12)));
    }

    #[test]
    fn what_is_malformed_or_stands_twice_is_refused() {
        for text in [
            "A=1",
            "a=",
            "a=1,",
            "a=1 b=2",
            "a=1;B=2",
            "a=(\"x\"\"y\")",
            "a=(\"x\"",
            "a=\"x",
            "a=\"\\x\"",
            "a=:A:",
            "a=:AAE=",
            "a=1234567890123456",
            "a=-",
            "a=1.2345",
            "a=1,a=2",
            "a=1;b=1;b=2",
            "a=?2",
            "=1",
            "a=\"\u{e9}\"",
        ] {
            assert_eq!(dictionary(text.as_bytes()), None, "{text}");
        }
        assert_eq!(dictionary(b""), Some(vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = dictionary(&text);
        }

        #[test]
        fn a_quoted_text_reads_as_itself(text in "[ -~]{0,30}") {
            let members = dictionary(format!("a={}", quote(&text)).as_bytes()).unwrap();
            prop_assert_eq!(&members[0].1, &Member::Item(Bare::Text(text)));
        }
    }
}
