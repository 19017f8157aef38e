use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Part, PublicUrl, Secrets, Signature, Timestamp};

/// HubSpot, signature version 3.
///
/// | | |
/// |---|---|
/// | Signed | method, URL, body, `X-HubSpot-Request-Timestamp` |
/// | Signature | `X-HubSpot-Signature-v3`: base64 of HMAC-SHA256 |
/// | Window | 5 minutes in either direction, in milliseconds |
/// | Event id | none for the batch: the body decides what is a duplicate |
///
/// In the URL, the escapes of `:/?@!$'()*,;` are decoded before it is signed. A body is a batch; tell
/// its items apart by `subscriptionId`, `eventId` and `occurredAt` together. Versions 1 and 2 are plain
/// hashes with a secret in front, and never accepted.
///
/// Source: `developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn hubspot_v3(
    url: PublicUrl,
    secrets: impl Into<Secrets>,
) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header("x-hubspot-signature-v3"), Encoding::Base64);
    let time = Timestamp::header(header("x-hubspot-request-timestamp"));
    HmacScheme::builder(Source::from_static("hubspot-v3"), signature)
        .timestamp(time.millis())
        .before_body([Part::Method, Part::Url(url.decoded())])
        .after_body([Part::Timestamp])
        .build(secrets)
}
