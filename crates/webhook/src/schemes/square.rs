use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Part, PublicUrl, Secrets, Signature};

/// Square.
///
/// | | |
/// |---|---|
/// | Signed | the notification URL as configured at Square, body |
/// | Signature | `x-square-hmacsha256-signature`: base64 of HMAC-SHA256 |
/// | Window | none: Square signs no time |
/// | Event id | `event_id` of the body, signed |
///
/// Source: `developer.squareup.com/docs/webhooks/step3validate`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn square(url: PublicUrl, secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header("x-square-hmacsha256-signature"), Encoding::Base64);
    HmacScheme::builder(Source::from_static("square"), signature)
        .before_body([Part::Url(url)])
        .id_member("event_id")
        .build(secrets)
}
