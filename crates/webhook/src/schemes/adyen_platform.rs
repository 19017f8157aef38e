use buttress_event::Source;
use http::StatusCode;

use super::header;
use crate::{Encoding, HmacScheme, InvalidSecret, Secrets, Signature};

/// Adyen's platform webhooks (balance accounts, transfers, cards), signed in a header.
///
/// | | |
/// |---|---|
/// | Signed | body |
/// | Signature | `HmacSignature`: base64 of HMAC-SHA256 |
/// | Secret | hex digits of the key |
/// | Window | none: Adyen signs no time |
/// | Event id | none: the body decides what is a duplicate |
///
/// Any 2xx is success; Adyen tries for 30 days.
///
/// Source: `docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is not hex, or there are more than four.
pub fn adyen_platform(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let signature = Signature::whole(header("hmacsignature"), Encoding::Base64);
    HmacScheme::builder(Source::from_static("adyen-platform"), signature)
        .hex_secrets()
        .success(StatusCode::OK)
        .build(secrets)
}
