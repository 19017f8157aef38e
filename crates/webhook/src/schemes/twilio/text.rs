//! The text that Twilio signs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::form::urlencoded;

/// Names and values, sorted by name; the values of one name sorted too, each once.
pub(super) fn sorted(body: &[u8]) -> String {
    let mut fields = BTreeMap::<_, BTreeSet<_>>::new();
    for (name, value) in urlencoded(body).into_pairs() {
        fields.entry(name).or_default().insert(value);
    }
    let mut text = String::with_capacity(body.len());
    for (name, values) in &fields {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

/// What the signed URL says of the body's SHA-256, if anything.
///
/// Twilio writes it at the end. Elsewhere it may be text of a form's: that is signed right behind the URL, and
/// whoever has the signature can show both as one URL. Behind such a text there are more fields.
pub(super) fn body_hash(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    let last = query.rsplit('&').next()?;
    last.strip_prefix("bodySHA256=")
}

/// The URL as it stands, without its port, and with the usual one.
pub(super) fn spellings(url: &str) -> [Cow<'_, str>; 3] {
    let plain = || Cow::Borrowed(url);
    let Some((scheme, rest)) = url.split_once("://") else {
        return [plain(), plain(), plain()];
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let port = authority
        .rfind(':')
        .filter(|at| !authority.get(*at..).is_some_and(|port| port.contains(']')));
    let host = port.and_then(|at| authority.get(..at)).unwrap_or(authority);
    let usual = if scheme == "https" { 443 } else { 80 };
    let with = match port {
        Some(_) => plain(),
        None => Cow::Owned(format!("{scheme}://{host}:{usual}{path}")),
    };
    [
        plain(),
        Cow::Owned(format!("{scheme}://{host}{path}")),
        with,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_tried_with_and_without_its_port() {
        assert_eq!(
            spellings("https://a.example/x?y=1"),
            [
                "https://a.example/x?y=1",
                "https://a.example/x?y=1",
                "https://a.example:443/x?y=1"
            ]
        );
        assert_eq!(
            spellings("http://a.example:8080?y"),
            [
                "http://a.example:8080?y",
                "http://a.example?y",
                "http://a.example:8080?y"
            ]
        );
        assert_eq!(
            spellings("https://[::1]/x"),
            ["https://[::1]/x", "https://[::1]/x", "https://[::1]:443/x"]
        );
    }

    #[test]
    fn the_bodys_hash_is_read_at_the_querys_end_alone() {
        let hash = |query: &str| {
            body_hash(&format!("https://a.example/bodySHA256=0{query}")).map(str::to_owned)
        };
        assert_eq!(hash("?a=1&bodySHA256=2").as_deref(), Some("2"));
        assert_eq!(hash("?bodySHA256=2").as_deref(), Some("2"));
        assert_eq!(hash("?bodySHA256=2&a=1"), None);
        assert_eq!(hash("?xbodySHA256=1"), None);
        assert_eq!(hash(""), None);
    }

    #[test]
    fn fields_are_sorted_and_values_stand_once() {
        assert_eq!(sorted(b"b=2&a=1&b=1&b=2&c="), "a1b1b2c");
        assert_eq!(sorted(b""), "");
    }
}
