use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Secrets, Signature};

/// GitHub.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `X-Hub-Signature-256`: `sha256=` and hex of HMAC-SHA256 |
/// | Window | none: GitHub signs no time |
/// | Event id | `X-GitHub-Delivery`, unsigned, so the body decides what is a duplicate |
/// | Topic | `X-GitHub-Event`, unsigned |
/// | Body | up to 25 MiB |
///
/// The old `X-Hub-Signature` (SHA-1) is never looked at. GitHub waits 10 seconds and does not try
/// again by itself.
///
/// Source: `docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries`; the size from
/// `docs.github.com/webhooks/webhook-events-and-payloads`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn github(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::prefixed(header("x-hub-signature-256"), "sha256=", Encoding::Hex);
    HmacScheme::builder(Source::from_static("github"), signature)
        .id_header(header("x-github-delivery"))
        .topic_header(header("x-github-event"))
        .refuse_empty_body()
        .cap(25 * 1024 * 1024)
        .build(secrets)
}
