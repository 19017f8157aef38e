use buttress_event::Source;

use super::{base64_key, header};
use crate::secret::Fault;
use crate::{
    Encoding, HmacBuilder, HmacScheme, InvalidSecret, Part, Secrets, Signature, Timestamp,
};

/// The specification's name for a symmetric key.
const PREFIX: &[u8] = b"whsec_";

/// Standard Webhooks, version 1 (HMAC).
///
/// | | |
/// |---|---|
/// | Signed | `webhook-id`, `.`, `webhook-timestamp`, `.`, body |
/// | Signature | `webhook-signature`: `v1,` and base64 of HMAC-SHA256, several between spaces |
/// | Secret | `whsec_` and base64 of 24 to 75 bytes; the prefix may be left out |
/// | Window | 5 minutes in either direction |
/// | Event id | `webhook-id`, signed |
///
/// An id that contains `.` is refused, as the specification asks: it could be cut in two ways.
/// Signatures of other versions are passed over.
///
/// Source: the Standard Webhooks specification, `github.com/standard-webhooks/standard-webhooks`. It asks for
/// keys of 24 to 64 bytes; Svix issues and takes up to 75 (100 characters of base64, in the pattern of its API).
///
/// # Errors
/// [`InvalidSecret`] when a secret is not in this form; a public key (`whpk_`) is none.
pub fn standard_webhooks(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    shape("standard-webhooks", WEBHOOK)
        .key_form(key)
        .build(secrets)
}

/// Svix: Standard Webhooks under headers of its own, `svix-id`, `svix-timestamp` and
/// `svix-signature`.
///
/// Svix sends the `webhook-` headers too where its customer chose them; those are
/// [`standard_webhooks`].
///
/// Source: `docs.svix.com/receiving/verifying-payloads/how-manual`.
///
/// # Errors
/// As [`standard_webhooks`].
pub fn svix(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    shape("svix", SVIX).key_form(key).build(secrets)
}

/// Clerk, which sends through Svix and so signs as [`svix`] does.
///
/// Source: `clerk.com/docs/webhooks/sync-data`.
///
/// # Errors
/// As [`standard_webhooks`].
pub fn clerk(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    shape("clerk", SVIX).key_form(key).build(secrets)
}

/// OpenAI: Standard Webhooks, but for a secret without `whsec_`, whose own bytes are the key.
///
/// Source: `platform.openai.com/docs/guides/webhooks`, and the `webhooks` module of OpenAI's SDKs.
///
/// # Errors
/// As [`standard_webhooks`].
pub fn openai(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    let form = |secret: &[u8]| match secret.strip_prefix(PREFIX) {
        Some(text) => base64_key(text),
        None => Ok(secret.to_vec()),
    };
    shape("openai", WEBHOOK).key_form(form).build(secrets)
}

pub(super) const WEBHOOK: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

pub(super) fn shape(source: &'static str, [id, time, signature]: [&'static str; 3]) -> HmacBuilder {
    let signature = Signature::versions(header(signature), "v1", Encoding::Base64);
    HmacScheme::builder(Source::from_static(source), signature)
        .timestamp(Timestamp::header(header(time)))
        .before_body([
            Part::Header(header(id)),
            Part::text("."),
            Part::Timestamp,
            Part::text("."),
        ])
        .id_header(header(id))
}

fn key(secret: &[u8]) -> Result<Vec<u8>, Fault> {
    if secret.starts_with(b"whpk_") || secret.starts_with(b"whsk_") {
        return Err(Fault::WrongKind("a symmetric key (whsec_)"));
    }
    let key = base64_key(secret.strip_prefix(PREFIX).unwrap_or(secret))?;
    if !(24..=75).contains(&key.len()) {
        return Err(Fault::Length("24 to 75 bytes"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_symmetric_key_of_fair_length_is_a_secret() {
        assert!(standard_webhooks("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").is_ok());
        assert!(standard_webhooks("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY").is_ok());
        for secret in [
            "",
            "whsec_",
            "whsec_AAAA",
            // What a signature's version looks like in front of a secret that was pasted with it.
            "v1,whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "whpk_9TfB4LRI47B9rD6Om91BEl7e3IteAydw90X0jhli1x8=",
            "not base64!",
        ] {
            assert!(standard_webhooks(secret).is_err(), "{secret}");
        }
        assert!(openai("").is_err());
        assert!(openai("whsec_").is_err());
        assert!(openai("any text").is_ok());
    }
}
