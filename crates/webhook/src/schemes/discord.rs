use buttress_event::Source;
use serde_json::json;

use super::{header, hex_key};
use crate::ed25519::{Form, Id, Key};
use crate::json::{Scalar, members};
use crate::scheme::{Covered, IdKind};
use crate::{Ed25519Scheme, Facts, InvalidSecret, Part, Reply, Secrets};

/// Discord interactions.
///
/// | | |
/// |---|---|
/// | Signed | `X-Signature-Timestamp`, body; nothing in between, so the time must have its ten digits |
/// | Signature | `X-Signature-Ed25519`: hex of either case |
/// | Key | the application's public key: hex of 32 bytes |
/// | Window | none by default, as in Discord's library; [`Ed25519Scheme::window`] sets one |
/// | Event id | `id` of the body, signed |
/// | Handshake | a signed `PING` is answered with `PONG` |
///
/// Discord tests an endpoint with wrong signatures now and then, and drops it unless it answers 401. Keys
/// and signatures of small order are refused, which Discord's own library accepts.
///
/// Source: `discord.com/developers/docs/interactions/overview#setting-up-an-endpoint`.
///
/// # Errors
/// [`InvalidSecret`] when a key is not in this form, or there are more than four.
pub fn discord(keys: impl Into<Secrets>) -> Result<Ed25519Scheme, InvalidSecret> {
    let signature = header("x-signature-ed25519");
    let timestamp = header("x-signature-timestamp");
    Ok(Ed25519Scheme {
        keys: keys.into().parse(|key| Key::new(&hex_key(key)?))?,
        facts: Facts {
            covers: vec![Covered::Header(timestamp.clone()), Covered::Body],
            id: IdKind::Signed,
            ..Facts::new(Source::from_static("discord"))
        },
        form: Form {
            signature,
            before: vec![Part::Header(timestamp.clone())],
            timestamp,
            versions: false,
            id: Id::Member("id"),
            answer: pong,
        },
    })
}

/// Type 1 is `PING` in a request and `PONG` in an answer.
fn pong(body: &[u8]) -> Option<Reply> {
    let [kind] = members(body, ["type"]);
    (kind? == Scalar::Number(1)).then(|| Reply::json(&json!({"type": 1})))
}
