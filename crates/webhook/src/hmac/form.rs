use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use crate::Refused;
use crate::encoding::{Encoding, Tag, encode};
use crate::head::{decimal, single};
use crate::mac::Algorithm;

/// The most signatures that are tried of one header.
const MOST: usize = 16;

type Text = Cow<'static, str>;

/// Where a signature stands, and how it is written.
#[derive(Clone, Debug)]
pub struct Signature {
    pub(super) header: HeaderName,
    form: Form,
    encoding: Encoding,
}

#[derive(Clone, Debug)]
enum Form {
    /// `<prefix><signature>`.
    Whole { prefix: Text },
    /// `t=<time>,v1=<signature>,v1=<signature>`, in any order.
    Pairs {
        separator: char,
        time: Text,
        label: Text,
    },
    /// `v1,<signature> v1,<signature>`.
    Versions { label: Text },
}

impl Signature {
    /// A header that is the signature and nothing else.
    #[must_use]
    pub const fn whole(header: HeaderName, encoding: Encoding) -> Self {
        Self::prefixed_by(header, Cow::Borrowed(""), encoding)
    }

    /// A header that is the signature behind a fixed text, such as `sha256=`.
    pub fn prefixed(header: HeaderName, prefix: impl Into<Text>, encoding: Encoding) -> Self {
        Self::prefixed_by(header, prefix.into(), encoding)
    }

    const fn prefixed_by(header: HeaderName, prefix: Text, encoding: Encoding) -> Self {
        Self {
            header,
            form: Form::Whole { prefix },
            encoding,
        }
    }

    /// A header of `name=value` pairs, one of them the timestamp: `t=1790000000,v1=5ec3…`.
    ///
    /// Several signatures may stand under the same name; pairs of other names are passed over.
    pub fn pairs(
        header: HeaderName,
        separator: char,
        time: impl Into<Text>,
        label: impl Into<Text>,
        encoding: Encoding,
    ) -> Self {
        Self {
            header,
            form: Form::Pairs {
                separator,
                time: time.into(),
                label: label.into(),
            },
            encoding,
        }
    }

    /// A list of versioned signatures between spaces: `v1,K5oZ… v1,g0hM…`.
    pub fn versions(header: HeaderName, label: impl Into<Text>, encoding: Encoding) -> Self {
        Self {
            header,
            form: Form::Versions {
                label: label.into(),
            },
            encoding,
        }
    }

    /// Whether the header names the time as well.
    pub(super) const fn has_time(&self) -> bool {
        matches!(self.form, Form::Pairs { .. })
    }

    /// The one timestamp among the pairs.
    pub(super) fn time(&self, headers: &HeaderMap) -> Result<u64, Refused> {
        let Form::Pairs {
            separator, time, ..
        } = &self.form
        else {
            return Err(Refused::Missing);
        };
        let mut times = pairs(single(headers, &self.header)?, *separator)
            .filter(|(name, _)| *name == time.as_bytes());
        let (_, text) = times.next().ok_or(Refused::Missing)?;
        if times.next().is_some() {
            return Err(Refused::Malformed);
        }
        decimal(text).ok_or(Refused::Malformed)
    }

    /// The header's value, unless it is absent or two lines were folded into it.
    pub(super) fn value<'a>(&self, headers: &'a HeaderMap) -> Result<&'a [u8], Refused> {
        let value = single(headers, &self.header)?;
        if let Form::Versions { .. } = self.form {
            let folded = |piece: &[u8]| piece.split(|byte| *byte == b',').nth(2).is_some();
            if value.split(|byte| *byte == b' ').any(folded) {
                return Err(Refused::Malformed);
            }
        }
        Ok(value)
    }

    /// The signatures of a header value; what cannot be one is passed over.
    pub(super) fn tags<'a>(
        &'a self,
        value: &'a [u8],
        algorithm: Algorithm,
    ) -> impl Iterator<Item = Tag> + Clone + use<'a> {
        let (separator, label) = match &self.form {
            Form::Whole { prefix } => (None, prefix),
            Form::Pairs {
                separator, label, ..
            } => (Some(*separator), label),
            Form::Versions { label } => (Some(' '), label),
        };
        let whole = separator.is_none();
        value
            .split(move |byte| separator.is_some_and(|separator| char::from(*byte) == separator))
            .filter_map(move |piece| {
                let text = match &self.form {
                    _ if whole => piece.strip_prefix(label.as_bytes())?,
                    Form::Versions { .. } => {
                        piece.strip_prefix(label.as_bytes())?.strip_prefix(b",")?
                    }
                    _ => piece
                        .trim_ascii()
                        .strip_prefix(label.as_bytes())?
                        .strip_prefix(b"=")?,
                };
                Tag::decode(text, self.encoding, algorithm.len())
            })
            .take(MOST)
    }

    /// The header value that carries this code.
    pub(super) fn render(&self, code: &[u8], time: &str) -> String {
        let code = encode(code, self.encoding);
        match &self.form {
            Form::Whole { prefix } => format!("{prefix}{code}"),
            Form::Pairs {
                separator,
                time: name,
                label,
            } => format!("{name}={time}{separator}{label}={code}"),
            Form::Versions { label } => format!("{label},{code}"),
        }
    }
}

fn pairs(value: &[u8], separator: char) -> impl Iterator<Item = (&[u8], &[u8])> {
    value
        .split(move |byte| char::from(*byte) == separator)
        .filter_map(|piece| {
            let piece = piece.trim_ascii();
            let at = piece.iter().position(|byte| *byte == b'=')?;
            Some((piece.get(..at)?, piece.get(at + 1..)?))
        })
}
