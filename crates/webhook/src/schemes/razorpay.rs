use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Secrets, Signature};

/// Razorpay.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `X-Razorpay-Signature`: hex of HMAC-SHA256 |
/// | Window | none: Razorpay signs no time |
/// | Event id | `x-razorpay-event-id`, unsigned, so the body decides what is a duplicate |
///
/// Source: `razorpay.com/docs/webhooks/validate-test`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn razorpay(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header("x-razorpay-signature"), Encoding::Hex);
    HmacScheme::builder(Source::from_static("razorpay"), signature)
        .id_header(header("x-razorpay-event-id"))
        .build(secrets)
}
