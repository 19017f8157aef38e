use std::time::Duration;

use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Part, Secrets, Signature, Timestamp};

/// WorkOS.
///
/// | | |
/// |---|---|
/// | Signed | the time, `.`, body |
/// | Signature | `WorkOS-Signature`: `t=`milliseconds`, v1=`hex of HMAC-SHA256 |
/// | Window | 3 minutes in either direction |
/// | Event id | `id` of the body, signed |
///
/// Source: `workos.com/docs/events/data-syncing/webhooks` and WorkOS's SDK.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn workos(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::pairs(header("workos-signature"), ',', "t", "v1", Encoding::Hex);
    let time = Timestamp::pair().millis();
    HmacScheme::builder(Source::from_static("workos"), signature)
        .timestamp(time.within(Duration::from_secs(180)))
        .before_body([Part::Timestamp, Part::text(".")])
        .id_member("id")
        .build(secrets)
}
