//! Every way in which one bit of a delivery can be flipped that its signature should notice.

mod field;
mod signature;

use std::time::SystemTime;

use buttress_webhook::{BoxScheme, Covered, Scheme, Verdict, verify};
use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request};

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
    /// A delivery of this head and body.
    #[must_use]
    pub fn new(request: Request<Bytes>) -> Self {
        let (head, body) = request.into_parts();
        Self { head, body }
    }

    /// Whether it verifies by this scheme.
    pub async fn verifies(&self, scheme: &BoxScheme, now: SystemTime) -> bool {
        let verdict = verify(scheme, &self.head, &self.body, now).await;
        matches!(verdict, Ok(Verdict::Verified(_)))
    }

    /// Each bit flipped of what the scheme declares as authenticated, and of the decoded signature.
    ///
    /// # Errors
    /// Names what is declared and has no bit here: nothing is passed over.
    pub fn flips(&self, scheme: &BoxScheme) -> Result<Vec<Flip>, String> {
        let mut flips = Vec::new();
        for covered in &scheme.facts().covers {
            let found = self.flips_of(covered);
            if found.is_empty() {
                return Err(format!("nothing to flip in {covered:?}"));
            }
            flips.extend(found);
        }
        let signature = self.signature_flips();
        // Where a header repeats a secret, and nothing is signed, that header is all there is.
        let is_token = matches!(*scheme.facts().covers, [Covered::Header(_)]);
        if signature.is_empty() && !is_token {
            return Err("no signature found".to_owned());
        }
        flips.extend(signature);
        Ok(flips)
    }

    fn flips_of(&self, covered: &Covered) -> Vec<Flip> {
        match covered {
            Covered::Body | Covered::BodyChecksum => {
                self.body_flips("the body", 0..self.body.len())
            }
            Covered::BodyFields(names) => names
                .iter()
                .filter_map(|name| Some((name, field::value(&self.body, name)?)))
                .flat_map(|(name, place)| self.body_flips(name, place))
                .collect(),
            Covered::FormFields => field::form_flips(&self.body)
                .map(|(what, body)| self.flip(what, |delivery| delivery.body = body))
                .collect(),
            Covered::Header(name) => self.header_flips(name),
            Covered::Method => self.method_flips(),
            Covered::Timestamp => self.time_flips(),
            Covered::Url => self.url_flips(),
            other => panic!("no way to flip {other:?}"),
        }
    }

    fn flip(&self, what: String, change: impl FnOnce(&mut Self)) -> Flip {
        let mut request = self.clone();
        change(&mut request);
        Flip { what, request }
    }

    fn body_flips(&self, what: &str, place: std::ops::Range<usize>) -> Vec<Flip> {
        (place.start * 8..place.end * 8)
            .map(|bit| {
                let body = flipped(&self.body, bit);
                self.flip(format!("bit {bit} of {what}"), |delivery| {
                    delivery.body = body.into();
                })
            })
            .collect()
    }

    fn header_flips(&self, name: &HeaderName) -> Vec<Flip> {
        let Some(value) = self.head.headers.get(name) else {
            return Vec::new();
        };
        let bytes = value.as_bytes();
        (0..bytes.len() * 8)
            .filter_map(|bit| self.with(name, &flipped(bytes, bit), &format!("bit {bit}")))
            .collect()
    }

    /// With another value in a header, unless no header can have it.
    fn with(&self, name: &HeaderName, value: &[u8], what: &str) -> Option<Flip> {
        let value = HeaderValue::from_bytes(value).ok()?;
        Some(self.flip(format!("{what} of {name}"), |delivery| {
            delivery.head.headers.insert(name, value);
        }))
    }

    fn method_flips(&self) -> Vec<Flip> {
        let name = self.head.method.as_str().as_bytes();
        let others = (0..name.len() * 8).filter_map(|bit| {
            let method = Method::from_bytes(&flipped(name, bit)).ok()?;
            Some(self.flip(format!("bit {bit} of the method"), |delivery| {
                delivery.head.method = method;
            }))
        });
        others.collect()
    }

    /// The number that stands beside the signature, under one of the names that senders use for it.
    fn time_flips(&self) -> Vec<Flip> {
        let mut flips = Vec::new();
        for (name, value) in &self.head.headers {
            let value = value.as_bytes();
            for label in ["t=", "ts=", ";created="] {
                let Some(start) = field::after(value, label.as_bytes()) else {
                    continue;
                };
                let digits = value[start..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit());
                let end = start + digits.count();
                flips.extend((start * 8..end * 8).filter_map(|bit| {
                    let what = format!("bit {bit}, of the time,");
                    self.with(name, &flipped(value, bit), &what)
                }));
            }
        }
        flips
    }

    fn url_flips(&self) -> Vec<Flip> {
        let Some(path) = self.head.uri.path_and_query() else {
            return Vec::new();
        };
        let text = path.as_str().as_bytes();
        let others = (0..text.len() * 8).filter_map(|bit| {
            let other: PathAndQuery = flipped(text, bit).as_slice().try_into().ok()?;
            Some(self.flip(format!("bit {bit} of the URL"), |delivery| {
                delivery.head.uri = other.into();
            }))
        });
        others.collect()
    }
}

/// The bytes with this bit flipped.
fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}
