use buttress_event::Source;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Part, Secrets, Signature};

/// Stripe.
///
/// | | |
/// |---|---|
/// | Signed | the time, `.`, body |
/// | Signature | `Stripe-Signature`: `t=`time`,v1=`hex of HMAC-SHA256, several `v1` while rotating |
/// | Secret | the whole text, `whsec_` and all |
/// | Window | 5 minutes in either direction |
/// | Event id | `id` of the body, signed |
///
/// Stricter than Stripe's own libraries, which accept times in the future, bodies without content,
/// and two `t=`.
///
/// Source: `docs.stripe.com/webhooks#verify-manually`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn stripe(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::pairs(header("stripe-signature"), ',', "t", "v1", Encoding::Hex);
    HmacScheme::builder(Source::from_static("stripe"), signature)
        .before_body([Part::Timestamp, Part::text(".")])
        .id_member("id")
        .refuse_empty_body()
        .build(secrets)
}
