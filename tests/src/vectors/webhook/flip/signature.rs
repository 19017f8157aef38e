//! The signature in a delivery, wherever it stands and however it is written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{Delivery, Flip, field, flipped};

/// The members and fields of bodies that are signatures.
const FIELDS: [&str; 3] = ["Signature", "hmacSignature", "signature"];

impl Delivery {
    /// Each text that decodes to a signature, with each bit of it flipped.
    ///
    /// Where several stand, flipping one leaves the others: such a delivery has none.
    pub(super) fn signature_flips(&self) -> Vec<Flip> {
        let mut flips = Vec::new();
        for (name, value) in &self.head.headers {
            let Ok(text) = value.to_str() else { continue };
            let mut found = pieces(text).filter_map(|piece| Some((piece, Written::of(piece)?)));
            let (Some((piece, signature)), None) = (found.next(), found.next()) else {
                continue;
            };
            for (bit, other) in signature.flips().enumerate() {
                let what = format!("bit {bit}, of the signature,");
                let other = text.replacen(piece, &other, 1);
                flips.extend(self.with(name, other.as_bytes(), &what));
            }
        }
        for name in FIELDS {
            let Some(place) = field::value(&self.body, name) else {
                continue;
            };
            let text = std::str::from_utf8(&self.body[place.clone()]).unwrap_or_default();
            let Some(signature) = Written::of(text) else {
                continue;
            };
            for (bit, other) in signature.flips().enumerate() {
                let what = format!("bit {bit} of {name} in the body");
                let (before, after) = (&self.body[..place.start], &self.body[place.end..]);
                let body = [before, other.as_bytes(), after].concat();
                flips.push(self.flip(what, |delivery| delivery.body = body.into()));
            }
        }
        flips
    }
}

/// What stands between the separators of signature headers, without the names before it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let pieces = text.split([',', ' ', ';', ':', '"']);
    pieces.map(|piece| {
        let names = ["sha256=", "sha1=", "v0=", "v1=", "h1="];
        let rest = names.into_iter().find_map(|name| piece.strip_prefix(name));
        rest.unwrap_or(piece)
    })
}

/// A signature, and how it is written.
enum Written<'a> {
    Base64(Vec<u8>),
    Hex(Vec<u8>),
    /// The last of three parts.
    Token(&'a str, Vec<u8>),
}

impl<'a> Written<'a> {
    /// No signature is shorter than 20 bytes, nor any hex one of other lengths than these.
    fn of(text: &'a str) -> Option<Self> {
        if matches!(text.len(), 40 | 64 | 128)
            && let Ok(bytes) = hex::decode(text)
        {
            return Some(Self::Hex(bytes));
        }
        if let Some((signed, signature)) = text.rsplit_once('.') {
            let bytes = URL_SAFE_NO_PAD.decode(signature).ok()?;
            return (bytes.len() >= 20).then_some(Self::Token(signed, bytes));
        }
        let bytes = STANDARD.decode(text).ok()?;
        (bytes.len() >= 20).then_some(Self::Base64(bytes))
    }

    fn flips(&self) -> impl Iterator<Item = String> {
        let (Self::Base64(bytes) | Self::Hex(bytes) | Self::Token(_, bytes)) = self;
        (0..bytes.len() * 8).map(|bit| {
            let bytes = flipped(bytes, bit);
            match self {
                Self::Base64(_) => STANDARD.encode(bytes),
                Self::Hex(_) => hex::encode(bytes),
                Self::Token(signed, _) => format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)),
            }
        })
    }
}
