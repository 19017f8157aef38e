use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Secrets, Signature};

/// Typeform.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `Typeform-Signature`: `sha256=` and base64 of HMAC-SHA256 |
/// | Window | none: Typeform signs no time |
/// | Event id | `event_id` of the body, signed |
///
/// Source: `www.typeform.com/developers/webhooks/secure-your-webhooks`; the id from its example
/// payload.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn typeform(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::prefixed(header("typeform-signature"), "sha256=", Encoding::Base64);
    HmacScheme::builder(Source::from_static("typeform"), signature)
        .id_member("event_id")
        .build(secrets)
}
