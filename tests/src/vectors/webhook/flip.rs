//! Every way in which one bit of a delivery can be flipped that its signature should notice.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::time::SystemTime;

use buttress_webhook::{BoxScheme, Covered, Scheme, Verdict, verify};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};

use super::Vector;

/// A delivery with one bit flipped.
#[derive(Debug)]
pub struct Flip {
    /// Which bit of what.
    pub what: String,
    /// The delivery.
    pub request: Delivery,
}

/// A request that has arrived in whole.
#[derive(Clone, Debug)]
pub struct Delivery {
    head: Parts,
    body: Bytes,
}

impl Delivery {
    /// Whether it verifies by this scheme.
    pub async fn verifies(&self, scheme: &BoxScheme, now: SystemTime) -> bool {
        let verdict = verify(scheme, &self.head, &self.body, now).await;
        matches!(verdict, Ok(Verdict::Verified(_)))
    }
}

/// A body that is larger stands for itself: flipping each bit of it would take too long.
const LARGEST: usize = 2048;

impl Vector {
    /// Each bit of what the vector's scheme declares as authenticated, and of its signature, flipped.
    #[must_use]
    pub fn flips(&self, scheme: &BoxScheme) -> Vec<Flip> {
        let Some(delivery) = self.delivery() else {
            return Vec::new();
        };
        let mut flips = Vec::new();
        for covered in &scheme.facts().covers {
            match covered {
                Covered::Body if delivery.body.len() <= LARGEST => {
                    flips.extend(delivery.body_flips());
                }
                Covered::Header(name) => flips.extend(delivery.header_flips(name)),
                Covered::Method => {
                    let mut request = delivery.clone();
                    request.head.method = http::Method::PATCH;
                    flips.push(Flip {
                        what: "method".to_owned(),
                        request,
                    });
                }
                _ => {}
            }
        }
        flips.extend(delivery.signature_flips());
        flips
    }

    fn delivery(&self) -> Option<Delivery> {
        let path = self.url.parse::<http::Uri>().ok()?;
        let mut request = Request::builder()
            .method(&*self.method)
            .uri(path.path_and_query()?.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let (head, ()) = request.body(()).ok()?.into_parts();
        let body = STANDARD.decode(&self.body_base64).ok()?.into();
        Some(Delivery { head, body })
    }
}

impl Delivery {
    fn body_flips(&self) -> impl Iterator<Item = Flip> {
        bits(&self.body).map(|(bit, body)| Flip {
            what: format!("bit {bit} of the body"),
            request: Self {
                head: self.head.clone(),
                body: body.into(),
            },
        })
    }

    fn header_flips(&self, name: &HeaderName) -> Vec<Flip> {
        let Some(value) = self.head.headers.get(name) else {
            return Vec::new();
        };
        let flipped = bits(value.as_bytes());
        flipped
            .filter_map(|(bit, value)| {
                Some(Flip {
                    what: format!("bit {bit} of {name}"),
                    request: self.with(name, &value)?,
                })
            })
            .collect()
    }

    fn with(&self, name: &HeaderName, value: &[u8]) -> Option<Self> {
        let mut delivery = self.clone();
        let value = HeaderValue::from_bytes(value).ok()?;
        delivery.head.headers.insert(name, value);
        Some(delivery)
    }

    /// Each text in the headers that decodes to a signature, with each bit of it flipped.
    fn signature_flips(&self) -> Vec<Flip> {
        let mut flips = Vec::new();
        for (name, value) in &self.head.headers {
            let Ok(text) = value.to_str() else { continue };
            for part in text.split([',', ' ', ';']) {
                let part = ["sha256=", "sha1=", "v0=", "v1=", "h1="]
                    .into_iter()
                    .find_map(|prefix| part.strip_prefix(prefix))
                    .unwrap_or(part);
                for (bit, other) in signatures(part) {
                    // Where several signatures stand, flipping one leaves the others.
                    let swapped = text.replacen(part, &other, 1);
                    if text.matches(part).count() != 1 || several(text) {
                        continue;
                    }
                    flips.extend(self.with(name, swapped.as_bytes()).map(|request| Flip {
                        what: format!("bit {bit} of the signature in {name}"),
                        request,
                    }));
                }
            }
        }
        flips
    }
}

/// Whether a header has more than one signature.
fn several(text: &str) -> bool {
    text.matches("v1,").count() + text.matches("h1=").count() + text.matches("v1=").count() > 1
}

/// The text with each bit flipped of what it decodes to, if that is as long as a signature.
fn signatures(text: &str) -> Vec<(usize, String)> {
    if matches!(text.len(), 40 | 64 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let bytes: Vec<u8> = (0..text.len() / 2)
            .filter_map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        return bits(&bytes)
            .map(|(bit, bytes)| (bit, hex::encode(bytes)))
            .collect();
    }
    if let Some((signed, signature)) = text.rsplit_once('.') {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(signature) else {
            return Vec::new();
        };
        let join = |bytes: Vec<u8>| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
        return bits(&bytes)
            .map(|(bit, bytes)| (bit, join(bytes)))
            .collect();
    }
    match STANDARD.decode(text) {
        Ok(bytes) if bytes.len() >= 20 => bits(&bytes)
            .map(|(bit, bytes)| (bit, STANDARD.encode(bytes)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The bytes with each bit flipped, one at a time.
fn bits(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}
