use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::cache::{Cache, Fetched};
use super::fetch::{KeyClient, is_absent};
use crate::secret::Fault;
use crate::{BoxError, InvalidSecret, KeyError, KeyFuture, VerifyingKey, VerifyingKeySource};

/// How long a key is kept without asking again, in which Plaid may have retired it.
const KEEP: Duration = Duration::from_secs(60 * 60);

/// Fetches Plaid's keys with your own HTTP client, and keeps each for an hour.
///
/// A key's id is the attacker's to choose: it must look like a UUID, ids that do not exist are remembered for
/// a minute, one fetch runs at a time, and at most 30 in a minute. A key whose `expired_at` has passed is
/// refused.
///
/// A clone shares everything with its origin.
///
/// Source: `plaid.com/docs/api/webhooks/webhook-verification`.
pub struct PlaidKeys<C> {
    client: Arc<Mutex<C>>,
    cache: Cache,
    account: Arc<Account>,
}

struct Account {
    url: String,
    client_id: String,
    secret: Zeroizing<String>,
}

impl<C: KeyClient> PlaidKeys<C> {
    /// Keys of `https://production.plaid.com`, asked for with these credentials.
    ///
    /// # Errors
    /// [`InvalidSecret`] when the client id (0) or the secret (1) is empty.
    pub fn production(client: C, client_id: &str, secret: &str) -> Result<Self, InvalidSecret> {
        Self::at("https://production.plaid.com", client, [client_id, secret])
    }

    /// Keys of `https://sandbox.plaid.com`, asked for with these credentials.
    ///
    /// # Errors
    /// As [`production`](Self::production).
    pub fn sandbox(client: C, client_id: &str, secret: &str) -> Result<Self, InvalidSecret> {
        Self::at("https://sandbox.plaid.com", client, [client_id, secret])
    }

    fn at(host: &str, client: C, credentials: [&str; 2]) -> Result<Self, InvalidSecret> {
        if let Some(index) = credentials.iter().position(|text| text.is_empty()) {
            return Err(InvalidSecret::new(index, Fault::Empty));
        }
        let [client_id, secret] = credentials;
        Ok(Self {
            client: Arc::new(Mutex::new(client)),
            cache: Cache::default(),
            account: Arc::new(Account {
                url: format!("{host}/webhook_verification_key/get"),
                client_id: client_id.to_owned(),
                secret: Zeroizing::new(secret.to_owned()),
            }),
        })
    }
}

impl<C> Clone for PlaidKeys<C> {
    fn clone(&self) -> Self {
        Self {
            client: Arc::clone(&self.client),
            cache: self.cache.clone(),
            account: Arc::clone(&self.account),
        }
    }
}

impl<C> fmt::Debug for PlaidKeys<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaidKeys")
            .field("url", &self.account.url)
            .finish_non_exhaustive()
    }
}

impl<C: KeyClient> VerifyingKeySource for PlaidKeys<C> {
    fn key(&self, id: &str, now: SystemTime) -> KeyFuture {
        if !is_uuid(id) {
            return Box::pin(std::future::ready(Err(KeyError::Unknown)));
        }
        if let Some(known) = self.cache.known(id, now) {
            return Box::pin(std::future::ready(known));
        }
        let client = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (cache, account, id) = (self.cache.clone(), Arc::clone(&self.account), id.to_owned());
        Box::pin(async move {
            let fetch = fetch(client, account, id.clone(), now);
            cache.get(id, now, fetch).await
        })
    }
}

#[derive(Deserialize)]
struct Answer {
    key: Value,
}

async fn fetch<C: KeyClient>(
    client: C,
    account: Arc<Account>,
    id: String,
    now: SystemTime,
) -> Result<Fetched, BoxError> {
    let question = json!({
        "client_id": account.client_id,
        "secret": &*account.secret,
        "key_id": id,
    });
    let request = Request::post(&account.url)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(question.to_string())))?;
    let (status, body) = client.fetch(request).await?;
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        return Err("Plaid refused the credentials".into());
    }
    if is_absent(status) {
        return Ok(Fetched { key: None });
    }
    if status != StatusCode::OK {
        return Err(format!("status {} for a key", status.as_u16()).into());
    }
    let answer: Answer = serde_json::from_slice(&body)?;
    let until = now.checked_add(KEEP).unwrap_or(now);
    let until = match answer.key.get("expired_at") {
        None | Some(Value::Null) => until,
        Some(at) => at
            .as_u64()
            .and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)))
            .map_or(now, |at| until.min(at)),
    };
    let same = answer.key.get("kid").and_then(Value::as_str) == Some(&*id);
    let key = VerifyingKey::from_jwk(&answer.key).ok();
    let key = key.filter(|_| same && now < until).map(|key| (key, until));
    Ok(Fetched { key })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
