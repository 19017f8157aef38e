use std::borrow::Cow;
use std::iter;

use http::HeaderName;
use memchr::memchr;

use crate::Refused;
use crate::encoding::{Encoding, Tag, encode};
use crate::head::Number;
use crate::mac::Algorithm;

/// The most signatures that are tried of one header: as many as there can be secrets.
const MOST: usize = 4;

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

    /// Reads the header: its first signature into `first`, and the time if it names one.
    ///
    /// What cannot be a signature is passed over; a header that has none is refused, and so is one into
    /// which two lines were folded, or that names two times.
    #[inline]
    pub(super) fn read<'a>(
        &self,
        value: &'a [u8],
        algorithm: Algorithm,
        first: &mut Tag,
    ) -> Result<Option<Number<'a>>, Refused> {
        let mut found = false;
        let time = self.each(value, |text| {
            // Mostly there is but one, and it fits: the others are read when they are needed.
            found = found || first.fill(text, self.encoding, algorithm.len()).is_some();
            found
        })?;
        if found {
            Ok(time)
        } else {
            Err(Refused::Mismatch)
        }
    }

    /// All signatures of the header; those for which there is no room are passed over.
    #[cold]
    pub(super) fn all(&self, value: &[u8], algorithm: Algorithm) -> [Option<Tag>; MOST] {
        let mut tags = [None; MOST];
        let mut free = tags.iter_mut();
        let _ = self.each(value, |text| {
            let tag = Tag::decode(text, self.encoding, algorithm.len());
            let is_tag = tag.is_some();
            if is_tag && let Some(slot) = free.next() {
                *slot = tag;
            }
            is_tag
        });
        tags
    }

    /// Shows each text that stands where a signature does, and takes whether it is one; the time if the
    /// header names one.
    #[inline]
    fn each<'a>(
        &self,
        value: &'a [u8],
        mut see: impl FnMut(&[u8]) -> bool,
    ) -> Result<Option<Number<'a>>, Refused> {
        let mut time = None;
        match &self.form {
            Form::Whole { prefix } => {
                value.strip_prefix(prefix.as_bytes()).map(see);
            }
            Form::Pairs {
                separator,
                time: clock,
                label,
            } => {
                for piece in pieces(value, *separator) {
                    let piece = piece.trim_ascii();
                    if let Some(text) = labelled(piece, label, b"=") {
                        see(text);
                    } else if let Some(text) = labelled(piece, clock, b"=") {
                        let number = Number::read(text).ok_or(Refused::Malformed)?;
                        if time.replace(number).is_some() {
                            return Err(Refused::Malformed);
                        }
                    }
                }
                time.ok_or(Refused::Missing)?;
            }
            Form::Versions { label } => {
                // Mostly there is but one: what decodes has neither a space nor a comma in it.
                if !labelled(value, label, b",").is_some_and(&mut see) {
                    for piece in pieces(value, ' ') {
                        if piece.split(|byte| *byte == b',').nth(2).is_some() {
                            return Err(Refused::Malformed);
                        }
                        labelled(piece, label, b",").map(&mut see);
                    }
                }
            }
        }
        Ok(time)
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

/// What stands between separators.
fn pieces(value: &[u8], separator: char) -> impl Iterator<Item = &[u8]> {
    // A header is bytes: what is no single one separates nothing.
    let separator = u8::try_from(separator).ok();
    let mut rest = Some(value);
    iter::from_fn(move || {
        let value = rest.take()?;
        let found = separator.and_then(|separator| memchr(separator, value));
        let Some((piece, [_, after @ ..])) = found.and_then(|at| value.split_at_checked(at)) else {
            return Some(value);
        };
        rest = Some(after);
        Some(piece)
    })
}

/// What follows a label and its mark.
fn labelled<'a>(piece: &'a [u8], label: &str, mark: &[u8]) -> Option<&'a [u8]> {
    piece.strip_prefix(label.as_bytes())?.strip_prefix(mark)
}
