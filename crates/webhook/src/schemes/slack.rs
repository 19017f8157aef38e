use buttress_event::Source;

use super::header;
use crate::json::{Scalar, members};
use crate::reply::is_token;
use crate::{
    Encoding, HmacScheme, InvalidSecret, Part, Refused, Reply, Secrets, Signature, Timestamp,
};

/// Slack: events, slash commands and interactions.
///
/// | | |
/// |---|---|
/// | Signed | `v0:`, `X-Slack-Request-Timestamp`, `:`, body |
/// | Signature | `X-Slack-Signature`: `v0=` and hex of HMAC-SHA256 |
/// | Window | 5 minutes in either direction |
/// | Event id | `event_id` of the body, signed; commands and interactions have none |
/// | Handshake | a signed `url_verification` is answered with its challenge |
///
/// A challenge is repeated only if it is a token of at most 256 of `[A-Za-z0-9._~-]`, as text that
/// no browser renders. Slack waits 3 seconds.
///
/// Source: `docs.slack.dev/authentication/verifying-requests-from-slack` and
/// `docs.slack.dev/reference/events/url_verification`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn slack(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::prefixed(header("x-slack-signature"), "v0=", Encoding::Hex);
    HmacScheme::builder(Source::from_static("slack"), signature)
        .timestamp(Timestamp::header(header("x-slack-request-timestamp")))
        .before_body([Part::text("v0:"), Part::Timestamp, Part::text(":")])
        .id_member("event_id")
        .answer(challenge)
        .build(secrets)
}

fn challenge(body: &[u8]) -> Result<Option<Reply>, Refused> {
    let [kind, challenge] = members(body, ["type", "challenge"]);
    if kind.as_ref().and_then(Scalar::as_text) != Some("url_verification") {
        return Ok(None);
    }
    let token = challenge.as_ref().and_then(Scalar::as_text);
    let token = token
        .filter(|token| is_token(token))
        .ok_or(Refused::Malformed)?;
    Ok(Some(Reply::text(token.to_owned())))
}
