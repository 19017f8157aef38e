use buttress_event::Source;
use http::Method;
use http::request::Parts;
use zeroize::Zeroizing;

use super::header;
use crate::head::query;
use crate::mac::equal;
use crate::secret::Fault;
use crate::{Encoding, HmacScheme, InvalidSecret, Refused, Reply, Secrets, Signature};

/// Meta: Facebook, Instagram, Messenger, `WhatsApp`.
///
/// | | |
/// |---|---|
/// | Signed | body, exactly as it was sent |
/// | Signature | `X-Hub-Signature-256`: `sha256=` and lower-case hex of HMAC-SHA256 |
/// | Secret | the app secret |
/// | Window | none: Meta signs no time |
/// | Event id | none, and a body may hold a batch: the body decides what is a duplicate |
/// | Handshake | `GET` with the verify token is answered with its challenge |
///
/// `verify_token` is the text that you gave to Meta along with the URL. The handshake is answered only
/// if it matches, and only with digits.
///
/// Source: `developers.facebook.com/docs/graph-api/webhooks/getting-started`.
///
/// # Errors
/// [`InvalidSecret`] when a secret or the verify token is empty, or there are more than four secrets.
pub fn meta(secrets: impl Into<Secrets>, verify_token: &str) -> Result<HmacScheme, InvalidSecret> {
    if verify_token.is_empty() {
        return Err(InvalidSecret::new(0, Fault::Empty));
    }
    let token = Zeroizing::new(verify_token.to_owned());
    let signature = Signature::prefixed(header("x-hub-signature-256"), "sha256=", Encoding::Hex);
    HmacScheme::builder(Source::from_static("meta"), signature)
        .greet(move |head| subscribe(&token, head))
        .build(secrets)
}

fn subscribe(token: &str, head: &Parts) -> Result<Option<Reply>, Refused> {
    if head.method != Method::GET {
        return Ok(None);
    }
    let given = query(head, "hub.verify_token").ok_or(Refused::Missing)?;
    let challenge = query(head, "hub.challenge").ok_or(Refused::Missing)?;
    if query(head, "hub.mode") != Some("subscribe") {
        return Err(Refused::Malformed);
    }
    let given = percent_decode(given).ok_or(Refused::Malformed)?;
    if !equal(token.as_bytes(), &given) {
        return Err(Refused::Mismatch);
    }
    let digits =
        (1..=64).contains(&challenge.len()) && challenge.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(Refused::Malformed);
    }
    Ok(Some(Reply::text(challenge.to_owned())))
}

/// A query value as bytes: `+` is a space, `%41` is `A`.
fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = crate::encoding::any_digit(bytes.next()?)?;
                let low = crate::encoding::any_digit(bytes.next()?)?;
                high << 4 | low
            }
            byte => byte,
        });
    }
    Some(decoded)
}
