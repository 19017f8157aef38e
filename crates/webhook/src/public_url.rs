use std::error::Error;
use std::fmt;

use http::Uri;
use http::request::Parts;

use crate::encoding::any_digit;

/// The URL under which a sender knows this endpoint, for senders that sign it.
///
/// It is configured, never taken from `Host` or `X-Forwarded-*`: whoever sends a request writes
/// those.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicUrl {
    text: String,
    whole: bool,
    decoded: bool,
}

impl PublicUrl {
    /// Scheme and host, as in `https://shop.example.com`; path and query are the request's.
    ///
    /// # Errors
    /// [`InvalidUrl`] unless it is `http` or `https`, a host, perhaps a port, and no more.
    pub fn origin(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let uri = parse(text)?;
        if uri.path() != "/" || uri.query().is_some() {
            return Err(InvalidUrl(()));
        }
        Ok(Self {
            text: text.to_owned(),
            whole: false,
            decoded: false,
        })
    }

    /// The whole URL as it was given to the sender, where a proxy rewrites paths.
    ///
    /// A query in the request is appended unless the text has one.
    ///
    /// # Errors
    /// [`InvalidUrl`] unless it is `http` or `https`, with a host, without user and fragment.
    pub fn exact(text: &str) -> Result<Self, InvalidUrl> {
        parse(text)?;
        Ok(Self {
            text: text.to_owned(),
            whole: true,
            decoded: false,
        })
    }

    /// Decodes the escapes of [`UNESCAPED`], as HubSpot does before it signs.
    pub(crate) const fn decoded(mut self) -> Self {
        self.decoded = true;
        self
    }

    /// Hands on the URL of a request, piece by piece.
    pub(crate) fn pieces(&self, head: &Parts, each: &mut dyn FnMut(&[u8])) {
        let each = &mut |text: &str| {
            if self.decoded {
                unescape(text, each);
            } else {
                each(text.as_bytes());
            }
        };
        each(&self.text);
        if !self.whole {
            each(head.uri.path());
        } else if self.text.contains('?') {
            return;
        }
        if let Some(query) = head.uri.query() {
            each("?");
            each(query);
        }
    }

    /// The URL of a request.
    pub(crate) fn of(&self, head: &Parts) -> String {
        let mut url = Vec::new();
        self.pieces(head, &mut |piece| url.extend_from_slice(piece));
        // Configured text and a parsed URI are both UTF-8.
        String::from_utf8(url).unwrap_or_default()
    }
}

/// The characters that HubSpot writes plainly in what it signs, however the URL has them.
const UNESCAPED: &[u8] = b":/?@!$'()*,;";

fn unescape(text: &str, each: &mut dyn FnMut(&[u8])) {
    let bytes = text.as_bytes();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let (plain, escape) = rest.split_at(at);
        each(plain);
        let byte = match escape {
            [_, high, low, ..] => any_digit(*high)
                .zip(any_digit(*low))
                .map(|(high, low)| high << 4 | low),
            _ => None,
        };
        let skip = if let Some(byte) = byte.filter(|byte| UNESCAPED.contains(byte)) {
            each(&[byte]);
            3
        } else {
            each(b"%");
            1
        };
        rest = escape.get(skip..).unwrap_or_default();
    }
    each(rest);
}

fn parse(text: &str) -> Result<Uri, InvalidUrl> {
    let uri: Uri = text.parse().map_err(|_| InvalidUrl(()))?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri
        .authority()
        .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    if http && host && !text.contains('#') {
        Ok(uri)
    } else {
        Err(InvalidUrl(()))
    }
}

/// A public URL that is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidUrl(());

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a public http or https URL of this kind")
    }
}

impl Error for InvalidUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &PublicUrl, uri: &str) -> String {
        let (head, ()) = http::Request::builder()
            .uri(uri)
            .body(())
            .unwrap()
            .into_parts();
        url.of(&head)
    }

    #[test]
    fn an_origin_takes_path_and_query_from_the_request() {
        let url = PublicUrl::origin("https://shop.example.com").unwrap();
        assert_eq!(of(&url, "/hook?a=1"), "https://shop.example.com/hook?a=1");
        assert_eq!(of(&url, "/hook"), "https://shop.example.com/hook");
        // The request's own idea of the host counts for nothing.
        assert_eq!(
            of(&url, "http://evil.example/hook"),
            "https://shop.example.com/hook"
        );
        assert_eq!(PublicUrl::origin("https://shop.example.com/"), Ok(url));
    }

    #[test]
    fn an_exact_url_takes_no_path() {
        let url = PublicUrl::exact("https://shop.example.com/in").unwrap();
        assert_eq!(
            of(&url, "/rewritten?a=1"),
            "https://shop.example.com/in?a=1"
        );
        let url = PublicUrl::exact("https://shop.example.com/in?b=2").unwrap();
        assert_eq!(
            of(&url, "/rewritten?b=2"),
            "https://shop.example.com/in?b=2"
        );
    }

    #[test]
    fn hubspot_decodes_some_escapes_and_leaves_the_others() {
        let url = PublicUrl::origin("https://a.example").unwrap().decoded();
        assert_eq!(
            of(&url, "/a%3Ab%2f?x=%40%20%2"),
            "https://a.example/a:b/?x=@%20%2"
        );
        assert_eq!(
            of(&url, "/%21%24%27%28%29%2A%2C%3B%3F%25%2B"),
            "https://a.example/!$'()*,;?%25%2B"
        );
    }

    #[test]
    fn what_is_no_public_url_is_refused() {
        for text in [
            "",
            "/hook",
            "shop.example.com",
            "ftp://a.example",
            "https://",
            "https://u@a.example",
            "https://a.example/#x",
        ] {
            assert!(PublicUrl::exact(text).is_err(), "{text}");
            assert!(PublicUrl::origin(text).is_err(), "{text}");
        }
        assert!(PublicUrl::origin("https://a.example/hook").is_err());
        assert!(PublicUrl::origin("https://a.example?x").is_err());
    }
}
