use std::fmt::Write as _;

use http::{HeaderMap, HeaderName};

use super::component::Component;
use super::structured::{Bare, Member, Parameters, dictionary, quote};
use crate::Refused;

/// What one signature says of itself: the member of `Signature-Input` that its label names.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) components: Vec<Component>,
    pub(super) created: u64,
    pub(super) expires: Option<u64>,
    pub(super) alg: Option<String>,
    pub(super) keyid: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) signature: Vec<u8>,
    /// Everything between label and end, in its one spelling, which is signed too.
    text: String,
}

impl Input {
    /// Reads the signature of this label.
    pub(super) fn of(headers: &HeaderMap, label: &str) -> Result<Self, Refused> {
        let inputs = field(headers, &HeaderName::from_static("signature-input"))?;
        let signatures = field(headers, &HeaderName::from_static("signature"))?;
        let Member::List(items, parameters) = member(&inputs, label)? else {
            return Err(Refused::Malformed);
        };
        let Member::Item(Bare::Bytes(signature)) = member(&signatures, label)? else {
            return Err(Refused::Malformed);
        };
        let mut components = Vec::with_capacity(items.len());
        for (bare, parameters) in items {
            let component = Component::new(bare, parameters)?;
            if components.contains(&component) {
                return Err(Refused::Malformed);
            }
            components.push(component);
        }
        Self::new(components, parameters, signature.clone())
    }

    fn new(
        components: Vec<Component>,
        parameters: &Parameters,
        signature: Vec<u8>,
    ) -> Result<Self, Refused> {
        let names: Vec<_> = components.iter().map(Component::identifier).collect();
        let mut input = Self {
            components,
            created: 0,
            expires: None,
            alg: None,
            keyid: None,
            tag: None,
            signature,
            text: format!("({})", names.join(" ")),
        };
        let mut created = None;
        for (name, value) in parameters {
            match (name.as_str(), value) {
                ("created", Bare::Integer(time)) => created = u64::try_from(*time).ok(),
                ("expires", Bare::Integer(time)) => {
                    input.expires = Some(u64::try_from(*time).map_err(|_| Refused::Malformed)?);
                }
                ("alg", Bare::Text(text)) => input.alg = Some(text.clone()),
                ("keyid", Bare::Text(text)) => input.keyid = Some(text.clone()),
                ("tag", Bare::Text(text)) => input.tag = Some(text.clone()),
                ("nonce", Bare::Text(_)) => {}
                // A parameter that changes what the signature means must not be passed over.
                _ => return Err(Refused::Forbidden),
            }
            let _ = match value {
                Bare::Integer(number) => write!(input.text, ";{name}={number}"),
                Bare::Text(text) => write!(input.text, ";{name}={}", quote(text)),
                Bare::Bytes(_) | Bare::Other => Ok(()),
            };
        }
        input.created = created.ok_or(Refused::Missing)?;
        Ok(input)
    }

    /// The text that is signed (RFC 9421 §2.5).
    pub(super) fn base(
        &self,
        value: impl Fn(&Component) -> Result<String, Refused>,
    ) -> Result<String, Refused> {
        let mut base = String::new();
        for component in &self.components {
            let _ = writeln!(base, "{}: {}", component.identifier(), value(component)?);
        }
        let _ = write!(base, "\"@signature-params\": {}", self.text);
        Ok(base)
    }
}

/// A dictionary field, whose lines are joined.
fn field(headers: &HeaderMap, name: &HeaderName) -> Result<Vec<(String, Member)>, Refused> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    if lines.is_empty() {
        return Err(Refused::Missing);
    }
    dictionary(&lines.join(&b", "[..])).ok_or(Refused::Malformed)
}

fn member<'a>(members: &'a [(String, Member)], label: &str) -> Result<&'a Member, Refused> {
    let found = members.iter().find(|(name, _)| name == label);
    found.map(|(_, member)| member).ok_or(Refused::Missing)
}
