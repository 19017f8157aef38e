use std::time::Duration;

use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Part, Secrets, Signature, Timestamp};

/// Calendly.
///
/// | | |
/// |---|---|
/// | Signed | the time, `.`, body |
/// | Signature | `Calendly-Webhook-Signature`: `t=`time`,v1=`hex of HMAC-SHA256 |
/// | Window | 3 minutes in either direction, as in Calendly's example |
/// | Event id | none: the body decides what is a duplicate |
///
/// Source: `developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures`. The form was found
/// confirmed by independent receivers; their windows differ (3 and 5 minutes), the shorter stands.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn calendly(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let name = header("calendly-webhook-signature");
    let signature = Signature::pairs(name, ',', "t", "v1", Encoding::Hex);
    HmacScheme::builder(Source::from_static("calendly"), signature)
        .timestamp(Timestamp::pair().within(Duration::from_secs(180)))
        .before_body([Part::Timestamp, Part::text(".")])
        .build(secrets)
}
