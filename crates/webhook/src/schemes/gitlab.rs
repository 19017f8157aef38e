use super::header;
use super::standard_webhooks::{WEBHOOK, shape};
use crate::secret::Fault;
use crate::token::UnsignedId;
use crate::{HmacScheme, InvalidSecret, Secrets, TokenScheme};

/// GitLab's signed webhooks, which are Standard Webhooks.
///
/// | | |
/// |---|---|
/// | Signed | `webhook-id`, `.`, `webhook-timestamp`, `.`, body |
/// | Signature | `webhook-signature`: `v1,` and base64 of HMAC-SHA256 |
/// | Secret | `whsec_` and base64 of 32 bytes |
/// | Window | 5 minutes in either direction |
/// | Event id | `webhook-id`, signed |
/// | Topic | `X-Gitlab-Event`, unsigned |
/// | Body | up to 25 MiB |
///
/// The token of the older form (`X-Gitlab-Token`) is never looked at, so that nobody can fall back to
/// it by leaving out the signature.
///
/// Source: GitLab merge requests 230944 and 231325, which introduced it; general since GitLab 19.0.
///
/// # Errors
/// [`InvalidSecret`] when a secret is not in this form, or there are more than four.
pub fn gitlab_signed(secrets: impl Into<Secrets>) -> Result<HmacScheme, InvalidSecret> {
    shape("gitlab-signed", WEBHOOK)
        .topic_header(header("x-gitlab-event"))
        .cap(25 * 1024 * 1024)
        .key_form(key)
        .build(secrets)
}

fn key(secret: &[u8]) -> Result<Vec<u8>, Fault> {
    let text = secret
        .strip_prefix(b"whsec_")
        .ok_or(Fault::WrongKind("a signing token (whsec_)"))?;
    let key = super::base64_key(text)?;
    if key.len() == 32 {
        Ok(key)
    } else {
        Err(Fault::Length("32 bytes"))
    }
}

/// GitLab's older form: a token in a header.
///
/// | | |
/// |---|---|
/// | Signed | nothing: `X-Gitlab-Token` repeats a secret |
/// | Window | none |
/// | Event id | `Idempotency-Key`, unsigned; the body decides what is a duplicate |
/// | Topic | `X-Gitlab-Event`, unsigned |
/// | Body | up to 25 MiB |
///
/// A delivery with a `webhook-signature` is refused: it belongs to [`gitlab_signed`], and must not come
/// in without its signature being checked.
///
/// Source: `docs.gitlab.com/user/project/integrations/webhooks`; the id from GitLab work item 19367.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty, or there are more than four.
pub fn gitlab_token(secrets: impl Into<Secrets>) -> Result<TokenScheme, InvalidSecret> {
    let id = UnsignedId::Header(header("idempotency-key"));
    let name = header("x-gitlab-token");
    let scheme = TokenScheme::new("gitlab-token", name, id, &secrets.into(), |_| Ok(()))?;
    Ok(scheme
        .topic(header("x-gitlab-event"))
        .exclude(header("webhook-signature"))
        .cap(25 * 1024 * 1024))
}
