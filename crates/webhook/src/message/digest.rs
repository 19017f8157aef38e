use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256, Sha512};

use super::structured::{Bare, Member, dictionary};
use crate::Refused;
use crate::mac::equal;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// What `Content-Digest` (RFC 9530) says of the body, and the body's own digests so far.
///
/// At least one digest must be of a known kind, and every one of a known kind must fit.
pub(super) struct ContentDigest {
    sha256: Option<(Vec<u8>, Sha256)>,
    sha512: Option<(Vec<u8>, Sha512)>,
}

impl ContentDigest {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let lines = headers.get_all(&CONTENT_DIGEST).iter();
        let lines: Vec<_> = lines.map(HeaderValue::as_bytes).collect();
        let members = dictionary(&lines.join(&b", "[..])).ok_or(Refused::Malformed)?;
        let mut digests = Self {
            sha256: None,
            sha512: None,
        };
        for (name, member) in members {
            let Member::Item(Bare::Bytes(digest)) = member else {
                return Err(Refused::Malformed);
            };
            match name.as_str() {
                "sha-256" => digests.sha256 = Some((digest, Sha256::new())),
                "sha-512" => digests.sha512 = Some((digest, Sha512::new())),
                _ => {}
            }
        }
        if digests.sha256.is_none() && digests.sha512.is_none() {
            return Err(Refused::Missing);
        }
        Ok(digests)
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        if let Some((_, running)) = &mut self.sha256 {
            running.update(piece);
        }
        if let Some((_, running)) = &mut self.sha512 {
            running.update(piece);
        }
    }

    pub(super) fn fits(self) -> bool {
        let sha256 = self
            .sha256
            .map(|(digest, running)| equal(&digest, &running.finalize()));
        let sha512 = self
            .sha512
            .map(|(digest, running)| equal(&digest, &running.finalize()));
        sha256.unwrap_or(true) && sha512.unwrap_or(true)
    }
}
