use std::time::Duration;

use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Part, Secrets, Signature, Timestamp};

/// Paddle Billing.
///
/// | | |
/// |---|---|
/// | Signed | the time, `:`, body |
/// | Signature | `Paddle-Signature`: `ts=`time`;h1=`hex of HMAC-SHA256, several `h1` while rotating |
/// | Window | 60 seconds in either direction |
/// | Event id | `event_id` of the body, signed |
///
/// Paddle's own libraries allow 5 seconds, which real deliveries exceed
/// (`github.com/PaddleHQ/paddle-node-sdk/issues/30`); [`HmacScheme::window`] sets another.
///
/// Source: `developer.paddle.com/webhooks/signature-verification`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn paddle(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::pairs(header("paddle-signature"), ';', "ts", "h1", Encoding::Hex);
    HmacScheme::builder(Source::from_static("paddle"), signature)
        .timestamp(Timestamp::pair().within(Duration::from_secs(60)))
        .before_body([Part::Timestamp, Part::text(":")])
        .id_member("event_id")
        .build(secrets)
}
