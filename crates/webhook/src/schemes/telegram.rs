use super::header;
use crate::secret::Fault;
use crate::token::UnsignedId;
use crate::{InvalidSecret, Secrets, TokenScheme};

/// Telegram's bot API.
///
/// | | |
/// |---|---|
/// | Signed | nothing: `X-Telegram-Bot-Api-Secret-Token` repeats a secret |
/// | Secret | 1 to 256 of `[A-Za-z0-9_-]`, as `setWebhook` takes it |
/// | Window | none |
/// | Event id | `update_id` of the body, unsigned; the body decides what is a duplicate |
///
/// Any answer but 2xx makes Telegram try again.
///
/// Source: `core.telegram.org/bots/api#setwebhook`.
///
/// # Errors
/// [`InvalidSecret`] when a secret is empty or has other characters, or there are more than four.
pub fn telegram(secrets: impl Into<Secrets>) -> Result<TokenScheme, InvalidSecret> {
    let name = header("x-telegram-bot-api-secret-token");
    let id = UnsignedId::Member("update_id");
    TokenScheme::new("telegram", name, id, &secrets.into(), |secret| {
        let fits = secret.len() <= 256
            && secret
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
        fits.then_some(())
            .ok_or(Fault::Encoding("1 to 256 of [A-Za-z0-9_-]"))
    })
}
