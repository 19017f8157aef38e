use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri};

use super::structured::{Bare, Parameters, quote};
use crate::{PublicUrl, Refused};

/// Something that a signature covers (RFC 9421 §2): a header, or a part of the request's first line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Component {
    pub(super) name: String,
    /// The parameter that `@query-param` is about.
    query: Option<String>,
}

impl Component {
    pub(super) fn new(bare: &Bare, parameters: &Parameters) -> Result<Self, Refused> {
        let Bare::Text(name) = bare else {
            return Err(Refused::Malformed);
        };
        if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Refused::Malformed);
        }
        let query = match (name.as_str(), parameters.as_slice()) {
            ("@query-param", [(key, Bare::Text(query))]) if key == "name" => Some(query.clone()),
            ("@query-param", _) => return Err(Refused::Malformed),
            (_, []) => None,
            // `sf`, `key`, `bs`, `tr`, `req`: each would change what the value is.
            _ => return Err(Refused::Forbidden),
        };
        Ok(Self {
            name: name.clone(),
            query,
        })
    }

    /// As it is written in the signature's input and base.
    pub(super) fn identifier(&self) -> String {
        let name = quote(&self.name);
        match &self.query {
            Some(query) => format!("{name};name={}", quote(query)),
            None => name,
        }
    }

    /// Its value in a request.
    pub(super) fn value(&self, head: &Parts, url: &PublicUrl) -> Result<String, Refused> {
        let Some(derived) = self.name.strip_prefix('@') else {
            return header(&head.headers, &self.name);
        };
        if derived == "method" {
            return Ok(head.method.as_str().to_owned());
        }
        let target = url.of(head);
        let uri: Uri = target.parse().map_err(|_| Refused::Malformed)?;
        let query = uri.query().unwrap_or_default();
        Ok(match derived {
            "target-uri" => target,
            "authority" => authority(&uri).ok_or(Refused::Malformed)?,
            "scheme" => uri.scheme_str().unwrap_or_default().to_owned(),
            "request-target" => match uri.query() {
                Some(query) => format!("{}?{query}", uri.path()),
                None => uri.path().to_owned(),
            },
            "path" => uri.path().to_owned(),
            "query" => format!("?{query}"),
            "query-param" => self.parameter(query)?,
            _ => return Err(Refused::Forbidden),
        })
    }

    /// The one query parameter of this name, decoded and encoded again (RFC 9421 §2.2.8).
    fn parameter(&self, query: &str) -> Result<String, Refused> {
        let name = self.query.as_deref().unwrap_or_default();
        let encode = |text: &str| {
            let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
            encoded.replace('+', "%20")
        };
        let mut values = form_urlencoded::parse(query.as_bytes())
            .filter(|(key, _)| encode(key) == name)
            .map(|(_, value)| encode(&value));
        let value = values.next().ok_or(Refused::Missing)?;
        if values.next().is_some() {
            return Err(Refused::Malformed);
        }
        Ok(value)
    }
}

/// Host in lower case, and port unless it is the scheme's usual one (RFC 9421 §2.2.3).
fn authority(uri: &Uri) -> Option<String> {
    let host = uri.host()?.to_ascii_lowercase();
    Some(match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => host,
        (Some(port), _) => format!("{host}:{port}"),
    })
}

/// A header's lines, each without the space around it, joined (RFC 9421 §2.1).
fn header(headers: &HeaderMap, name: &str) -> Result<String, Refused> {
    let name: HeaderName = name.parse().map_err(|_| Refused::Malformed)?;
    let mut lines = Vec::new();
    for line in headers.get_all(&name) {
        let line = line.to_str().map_err(|_| Refused::Malformed)?;
        lines.push(line.trim());
    }
    if lines.is_empty() {
        return Err(Refused::Missing);
    }
    Ok(lines.join(", "))
}
