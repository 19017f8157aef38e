use buttress_event::Source;
use serde::Deserialize;
use serde_json::json;

use super::header;
use crate::encoding::encode;
use crate::json::{Scalar, members};
use crate::mac::{Algorithm, Keys};
use crate::{
    Encoding, HmacScheme, InvalidSecret, Part, Refused, Reply, Secrets, Signature, Timestamp,
};

/// Zoom.
///
/// | | |
/// |---|---|
/// | Signed | `v0:`, `x-zm-request-timestamp`, `:`, body |
/// | Signature | `x-zm-signature`: `v0=` and hex of HMAC-SHA256 |
/// | Window | 5 minutes in either direction; Zoom states none |
/// | Event id | none: the body decides what is a duplicate |
/// | Handshake | a signed `endpoint.url_validation`, repeated every 72 hours, is answered |
///
/// The answer to the handshake contains an HMAC of `plainToken` under the very secret that signs
/// events, so whoever could choose that text could sign as Zoom. It is therefore answered only when
/// it is signed itself, as in Zoom's sample receiver, and when the token is 1 to 128 of
/// `[A-Za-z0-9_-]`: no `v0:` message looks like that. The secret that signed the question answers it. Zoom waits 3 seconds.
///
/// Source: `developers.zoom.us/docs/api/webhooks`, checked against
/// `github.com/zoom/webhook-sample`. Users have reported handshakes without a signature
/// (`github.com/windmill-labs/windmill/pull/9413`): those are refused here.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn zoom(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let secrets = secrets.into();
    let keys = Keys::raw(Algorithm::Sha256, &secrets)?;
    let signature = Signature::prefixed(header("x-zm-signature"), "v0=", Encoding::Hex);
    HmacScheme::builder(Source::from_static("zoom"), signature)
        .timestamp(Timestamp::header(header("x-zm-request-timestamp")))
        .before_body([Part::text("v0:"), Part::Timestamp, Part::text(":")])
        .answer_by_secret(move |body, index| validate(&keys, index, body))
        .build(secrets)
}

#[derive(Deserialize)]
struct Validation {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "plainToken")]
    plain_token: String,
}

fn validate(keys: &Keys, index: usize, body: &[u8]) -> Result<Option<Reply>, Refused> {
    let [event] = members(body, ["event"]);
    if event.as_ref().and_then(Scalar::as_text) != Some("endpoint.url_validation") {
        return Ok(None);
    }
    let validation: Validation = serde_json::from_slice(body).map_err(|_| Refused::Malformed)?;
    let token = validation.payload.plain_token;
    if !is_plain(&token) {
        return Err(Refused::Forbidden);
    }
    let code = encode(&keys.sign_by(index, token.as_bytes()), Encoding::Hex);
    Ok(Some(Reply::json(
        &json!({"plainToken": token, "encryptedToken": code}),
    )))
}

fn is_plain(token: &str) -> bool {
    (1..=128).contains(&token.len())
        && token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
