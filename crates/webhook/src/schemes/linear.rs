use std::time::Duration;

use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Secrets, Signature, Timestamp};

/// Linear.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `Linear-Signature`: hex of HMAC-SHA256, in either case |
/// | Window | `webhookTimestamp` of the body, in milliseconds: 60 seconds in either direction |
/// | Event id | `Linear-Delivery`, unsigned, so the body decides what is a duplicate |
/// | Topic | `Linear-Event`, unsigned |
/// | Body | up to 5 MiB, as in Linear's library |
///
/// A body without `webhookTimestamp`, or with one that is no number, is refused. Headers that name a
/// time are not signed, and not looked at.
///
/// Source: `linear.app/developers/webhooks#securing-webhooks` and Linear's SDK.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn linear(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header("linear-signature"), Encoding::HexAnyCase);
    let time = Timestamp::member("webhookTimestamp").millis();
    HmacScheme::builder(Source::from_static("linear"), signature)
        .timestamp(time.within(Duration::from_secs(60)))
        .id_header(header("linear-delivery"))
        .topic_header(header("linear-event"))
        .cap(5 * 1024 * 1024)
        .build(secrets)
}
