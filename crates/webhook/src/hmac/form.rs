use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use crate::Refused;
use crate::encoding::{Encoding, Tag, encode};
use crate::head::{decimal, single};
use crate::mac::Algorithm;

/// The most signatures that are tried of one header: as many as there can be secrets.
const MOST: usize = 4;

/// The signatures of a header.
pub(super) type Tags = [Option<Tag>; MOST];

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

    /// The signatures of the header, unless it is absent or two lines were folded into it.
    pub(super) fn read(
        &self,
        headers: &HeaderMap,
        algorithm: Algorithm,
        tags: &mut Tags,
    ) -> Result<(), Refused> {
        let value = single(headers, &self.header)?;
        if let Form::Versions { .. } = self.form {
            let folded = |piece: &[u8]| piece.split(|byte| *byte == b',').nth(2).is_some();
            if value.split(|byte| *byte == b' ').any(folded) {
                return Err(Refused::Malformed);
            }
        }
        if let Form::Whole { prefix } = &self.form {
            let text = value.strip_prefix(prefix.as_bytes());
            let tag = text.and_then(|text| Tag::decode(text, self.encoding, algorithm.len()));
            tags[0] = tag;
        } else {
            for (slot, tag) in tags.iter_mut().zip(self.tags(value, algorithm)) {
                *slot = Some(tag);
            }
        }
        if tags.iter().all(Option::is_none) {
            return Err(Refused::Mismatch);
        }
        Ok(())
    }

    /// The signatures of a list; what cannot be one is passed over.
    fn tags<'a>(
        &'a self,
        value: &'a [u8],
        algorithm: Algorithm,
    ) -> impl Iterator<Item = Tag> + use<'a> {
        let (separator, label, mark) = match &self.form {
            Form::Pairs {
                separator, label, ..
            } => (*separator, label, b"="),
            Form::Versions { label } | Form::Whole { prefix: label } => (' ', label, b","),
        };
        value
            .split(move |byte| char::from(*byte) == separator)
            .filter_map(move |piece| {
                let piece = if mark == b"=" {
                    piece.trim_ascii()
                } else {
                    piece
                };
                let text = piece.strip_prefix(label.as_bytes())?.strip_prefix(mark)?;
                Tag::decode(text, self.encoding, algorithm.len())
            })
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
