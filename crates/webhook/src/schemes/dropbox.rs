use buttress_event::{Dedupe, Source};
use http::Method;
use http::request::Parts;

use super::header;
use crate::head::query;
use crate::reply::is_token;
use crate::{Encoding, HmacScheme, InvalidSecret, Refused, Reply, Secrets, Signature};

/// Dropbox.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `X-Dropbox-Signature`: hex of HMAC-SHA256 |
/// | Secret | the app secret |
/// | Window | none: Dropbox signs no time |
/// | Duplicates | none: a body says that something changed, and the same one says so again |
/// | Handshake | `GET` is answered with its challenge |
///
/// A challenge is repeated only if it is a token of at most 256 of `[A-Za-z0-9._~-]`, as text that
/// no browser renders. Dropbox waits 10 seconds.
///
/// Source: `www.dropbox.com/developers/reference/webhooks`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn dropbox(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header("x-dropbox-signature"), Encoding::Hex);
    HmacScheme::builder(Source::from_static("dropbox"), signature)
        .dedupe(Dedupe::Never)
        .greet(challenge)
        .build(secrets)
}

fn challenge(head: &Parts) -> Result<Option<Reply>, Refused> {
    if head.method != Method::GET {
        return Ok(None);
    }
    let token = query(head, "challenge").ok_or(Refused::Missing)?;
    if !is_token(token) {
        return Err(Refused::Malformed);
    }
    Ok(Some(Reply::text(token.to_owned())))
}
