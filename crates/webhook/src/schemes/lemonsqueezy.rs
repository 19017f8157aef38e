use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Secrets, Signature};

/// LemonSqueezy.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `X-Signature`: lower-case hex of HMAC-SHA256 |
/// | Window | none: LemonSqueezy signs no time |
/// | Event id | none: the body decides what is a duplicate |
/// | Topic | `X-Event-Name`, unsigned |
///
/// Only 200 is success; it tries three times more.
///
/// Source: `docs.lemonsqueezy.com/help/webhooks/signing-requests`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn lemonsqueezy(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header("x-signature"), Encoding::Hex);
    HmacScheme::builder(Source::from_static("lemonsqueezy"), signature)
        .topic_header(header("x-event-name"))
        .build(secrets)
}
